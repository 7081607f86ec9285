# SPDX-License-Identifier: MIT
"""`meson install` puts everything in place; the README's programs work with what it put there."""
import os
import re
import subprocess
import tempfile
import unittest

import servers
import support

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../README.md")
EXPECTED = [
    r"bin/greenify",
    r"lib/.*libgreen\.so\.1",
    r"lib/.*libgreen\.so",
    r"include/green\.h",
    r"lib/.*pkgconfig/green\.pc",
    r"share/man/man1/greenify\.1",
    r"share/man/man3/libgreen\.3",
    r"lib/python3.*/greenify/__init__\.py",
]


def readme_program(language):
    with open(README, encoding="utf-8") as readme:
        return re.search(rf"^```{language}\n(.*?)^```$", readme.read(), re.M | re.S)[1]


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="green-install-"))
        subprocess.run(["meson", "install", "-C", support.BUILD, "--no-rebuild", "--quiet"],
                       env={**os.environ, "DESTDIR": cls.root}, check=True,
                       timeout=support.PATIENCE)
        cls.files = [os.path.join(folder, name) for folder, _, names in os.walk(cls.root)
                     for name in names]
        cls.work = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="green-readme-"))
        cls.libraries = os.path.join(cls.work, "lib")

    def installed(self, pattern):
        found = [path for path in self.files if re.search(f"/{pattern}$", path)]
        self.assertTrue(found, f"{pattern} is not installed")
        return found[0]

    def path(self, name):
        return os.path.join(self.work, name)

    def greenify_copy(self):
        done = subprocess.run([self.installed("bin/greenify"), "--deps", "-d", self.libraries,
                               support.system_library("libmariadb.so.3")], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, support.DONE, done.stdout)

    def run_program(self, *command, **environment):
        runtime = os.path.dirname(self.installed(r"libgreen\.so\.1"))
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, **environment,
                                   "LD_LIBRARY_PATH": f"{self.libraries}:{runtime}"},
                              check=False, timeout=support.PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def setUp(self):
        if not os.path.isdir(self.libraries):
            os.mkdir(self.libraries)
            self.greenify_copy()

    def test_files(self):
        for pattern in EXPECTED:
            with self.subTest(pattern=pattern):
                self.installed(pattern)

    def test_c_program_of_the_readme(self):
        with open(self.path("hundred.c"), "w", encoding="utf-8") as source:
            source.write(readme_program("c"))
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "green", "libmariadb"], check=True, text=True,
            stdout=subprocess.PIPE,
            env={**os.environ, "PKG_CONFIG_SYSROOT_DIR": "",
                 "PKG_CONFIG_PATH": os.path.dirname(self.installed(r"pkgconfig/green\.pc"))}
        ).stdout.replace("/usr/local/", self.root + "/usr/local/").split()
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", self.path("hundred"),
                        self.path("hundred.c"), *flags], check=True)
        with servers.MariaDB() as server:
            output = self.run_program(self.path("hundred"), server.socket)
        self.assertEqual(output, "done\n" * 100)

    def test_python_program_of_the_readme(self):
        with servers.MariaDB() as server:
            program = readme_program("python").replace("/run/mysqld/mysqld.sock", server.socket)
            package = os.path.dirname(os.path.dirname(self.installed(r"greenify/__init__\.py")))
            output = self.run_program(
                "/usr/bin/python3", "-c", program + "print([g.value for g in greenlets])",
                PYTHONPATH=package)
        self.assertEqual(output, f"{[(0,)] * 100}\n")


if __name__ == "__main__":
    support.main()
