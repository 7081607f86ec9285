// SPDX-License-Identifier: MIT

// The goroutines of Go, on one processor (GOMAXPROCS=1 by the caller).
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func crowd(flows int, entry func()) {
	var all sync.WaitGroup
	all.Add(flows)
	for i := 0; i < flows; i++ {
		go func() {
			entry()
			all.Done()
		}()
	}
	all.Wait()
}

func runYield(flows, count int) {
	rounds := count / flows
	crowd(flows, func() {
		for i := 0; i < rounds; i++ {
			runtime.Gosched()
		}
	})
}

func runWake(flows, count int) {
	rounds := count / flows
	there, back := make(chan struct{}), make(chan struct{})
	go func() {
		for i := 0; i < rounds; i++ {
			<-there
			back <- struct{}{}
		}
	}()
	for i := 0; i < rounds; i++ {
		there <- struct{}{}
		<-back
	}
}

func runSpawn(flows, count int) {
	for i := 0; i < count; i += flows {
		crowd(flows, func() {})
	}
}

func processorTime() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		panic("getrusage")
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) * 1e-9
}

var begin = time.Now()

func stage(name string) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	sum := 0
	for _, line := range strings.Split(string(status), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 3 && (fields[0] == "VmRSS:" || fields[0] == "VmPTE:") {
			number, _ := strconv.Atoi(fields[1])
			sum += number
		}
	}
	fmt.Printf("%s %d %.6f %.6f\n", name, sum*1024, processorTime(), time.Since(begin).Seconds())
}

func runIdle(flows, _ int) {
	over := make(chan struct{})
	var all sync.WaitGroup
	all.Add(flows)
	crowd(1, func() {})
	stage("before")
	for i := 0; i < flows; i++ {
		go func() {
			<-over
			all.Done()
		}()
	}
	runtime.Gosched()
	stage("waiting")
	close(over)
	all.Wait()
	stage("ended")
}

func main() {
	measures := []struct {
		name string
		run  func(flows, count int)
	}{{"yield", runYield}, {"wake", runWake}, {"spawn", runSpawn}, {"idle", runIdle}}

	for _, m := range measures {
		if len(os.Args) < 4 {
			fmt.Println(m.name)
		} else if os.Args[1] == m.name {
			flows, _ := strconv.Atoi(os.Args[2])
			count, _ := strconv.Atoi(os.Args[3])
			cpu, wall := processorTime(), time.Now()
			m.run(flows, count)
			if m.name != "idle" {
				fmt.Printf("%.3f %.3f\n", (processorTime()-cpu)/float64(count)*1e9,
					time.Since(wall).Seconds()/float64(count)*1e9)
			}
		}
	}
}
