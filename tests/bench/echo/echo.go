// SPDX-License-Identifier: MIT
//
// An echo server in Go, a goroutine a connection.
package main

import (
	"fmt"
	"net"
)

const messageRoom = 4096

func serve(connection net.Conn) {
	defer connection.Close()
	bytes := make([]byte, messageRoom)
	for {
		received, err := connection.Read(bytes)
		if err != nil {
			return
		}
		if _, err = connection.Write(bytes[:received]); err != nil {
			return
		}
	}
}

func main() {
	listening, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listening.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listening.Accept()
		if err != nil {
			panic(err)
		}
		go serve(connection)
	}
}
