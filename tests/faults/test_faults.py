# SPDX-License-Identifier: MIT
"""At every system call of a run: killed there, or the call fails. Each file is the old one or the
new one, to the byte and with all that belongs to it; nothing else is left in the folder; the message
says what went wrong; and the next run does what this one could not.

With FAULTS=all at each call; without, where something may have changed since the one before."""

import base64
import concurrent.futures
import hashlib
import itertools
import os
import pathlib
import shutil
import tempfile
import unittest
import zipfile

import injection
import states

MASTERS = None


# A file without a name gets one by way of /proc; where that cannot be seen, it has one at once.
NO_PROC = ("-e", "inject=access:error=EACCES:when=1+")


def setUpModule():
    global MASTERS
    reason = injection.works()
    if reason is not None:
        raise unittest.SkipTest(reason)
    MASTERS = states.Masters()
    unittest.addModuleCleanup(MASTERS.remove)


class Scenario:
    """What is there before, and the command: `folder` is where all files are."""

    skips = False  # leaves out what cannot be read, and does the rest
    patient = True  # repeats what EINTR ended
    copies = False  # whoever makes a copy may own it, and keeps the attributes that he may set

    def prepare(self, folder):
        MASTERS.put(folder / "a.so")

    def arguments(self, folder):
        return [folder / "a.so"]

    # Status of the run that finds all done already.
    again = 3


class InPlace(Scenario):
    pass


class Large(Scenario):
    """In many parts."""

    def prepare(self, folder):
        MASTERS.put(folder / "a.so", large=True)


class Output(Scenario):
    again = 0
    copies = True

    def arguments(self, folder):
        return ["-o", folder / "copies/b.so", folder / "a.so"]

    def prepare(self, folder):
        super().prepare(folder)
        (folder / "copies").mkdir()


class OutputOver(Output):
    """The output is there, and is another file."""

    def prepare(self, folder):
        super().prepare(folder)
        (folder / "copies/b.so").write_bytes(b"something else")
        os.utime(folder / "copies/b.so", ns=(states.TIME, states.TIME))


class Folder(Scenario):
    again = 0
    copies = True

    def prepare(self, folder):
        (folder / "copies").mkdir()
        for name in ("a.so", "b.so"):
            MASTERS.put(folder / name)

    def arguments(self, folder):
        return ["-d", folder / "copies", folder / "a.so", folder / "b.so"]


class Several(Scenario):
    def prepare(self, folder):
        for name in ("a.so", "b.so", "c.so"):
            MASTERS.put(folder / name)

    def arguments(self, folder):
        return [folder / "a.so", folder / "b.so", folder / "c.so"]


class Revert(Scenario):
    def prepare(self, folder):
        super().prepare(folder)
        run = injection.command([folder / "a.so"])
        assert run.returncode == 0, run.stderr

    def arguments(self, folder):
        return ["revert", folder / "a.so"]


class RevertLarge(Revert, Large):
    pass


def record_row(name, contents):
    digest = base64.urlsafe_b64encode(hashlib.sha256(contents).digest()).decode().rstrip("=")
    return f"{name},sha256={digest},{len(contents)}\n"


class Tree(Scenario):
    """Two libraries and the RECORD that lists them."""

    skips = True

    def prepare(self, folder):
        package = folder / "package"
        information = folder / "package-1.0.dist-info"
        package.mkdir()
        information.mkdir()
        rows = ""
        for name in ("a.so", "b.so"):
            MASTERS.put(package / name)
            rows += record_row(f"package/{name}", (package / name).read_bytes())
        record = information / "RECORD"
        record.write_text(rows + "package-1.0.dist-info/RECORD,,\n")
        os.utime(record, ns=(states.TIME, states.TIME))

    def arguments(self, folder):
        return ["tree", folder]


class TreeRevert(Tree):
    def prepare(self, folder):
        super().prepare(folder)
        run = injection.command(["tree", folder])
        assert run.returncode == 0, run.stderr

    def arguments(self, folder):
        return ["tree", "--revert", folder]


class Wheel(Scenario):
    """Some of it is written by stdio."""

    patient = False
    again = 0

    def prepare(self, folder):
        (folder / "out").mkdir()
        contents = MASTERS.library.read_bytes()
        tag = b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-none-linux_x86_64\n"
        name = folder / "package-1.0-cp311-none-linux_x86_64.whl"
        with zipfile.ZipFile(name, "w") as wheel:
            rows = ""
            for entry, data in (("package/a.so", contents), ("package-1.0.dist-info/WHEEL", tag)):
                # Without a time of its own, so that each preparation gives the same bytes.
                wheel.writestr(zipfile.ZipInfo(entry), data)
                rows += record_row(entry, data)
            wheel.writestr(zipfile.ZipInfo("package-1.0.dist-info/RECORD"),
                           rows + "package-1.0.dist-info/RECORD,,\n")
        os.utime(name, ns=(states.TIME, states.TIME))

    def arguments(self, folder):
        return ["wheel", "--runtime-file", os.environ["RUNTIME"], "-o", folder / "out/new.whl",
                next(folder.glob("*.whl"))]


def thin_out(calls):
    """The first and the last of a series of the same kind stand for those between."""
    kept = []
    for i, call in enumerate(calls):
        around = calls[max(0, i - 1):i + 2]
        if len(around) < 3 or len({(other.name, other.succeeded) for other in around}) > 1:
            kept.append(call)
    return kept


def at_most(number, calls):
    """So many of each name, from the first to the last of them."""
    kept = []
    for name in {call.name for call in calls}:
        same = [call for call in calls if call.name == name]
        kept += same if len(same) <= number else [
            same[i * (len(same) - 1) // (number - 1)] for i in range(number)]
    return kept


def choose(calls, scenario, thorough):
    """At which calls to kill, and at which to fail."""
    changing = [call for call in calls if call.changes]
    if os.environ.get("FAULTS") == "all":
        return set(calls), set(changing if scenario.skips else calls)
    changing = at_most(9, thin_out(changing))
    others = at_most(3, [call for call in calls if not call.changes]) if thorough else []
    return set(changing), set(changing + others)


class Attempt:
    """One run in a folder of its own."""

    def __init__(self, scenario, options):
        self.scenario = scenario
        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="greenify-fault-"))
        self.temporary = self.folder / "temporary"
        self.files = self.folder / "files"
        self.temporary.mkdir()
        self.files.mkdir()
        scenario.prepare(self.files)
        self.environment = dict(os.environ, TMPDIR=str(self.temporary), LC_ALL="C")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def run(self, function, *arguments):
        return function(*arguments, self.scenario.arguments(self.files), self.options,
                        env=self.environment)

    def run_plainly(self):
        return injection.command(self.scenario.arguments(self.files), env=self.environment)

    def states(self):
        return states.states(self.files)


def one_processor_each():
    """Two runs at a time: this machine has something else to do, too. Each has one processor, so that
    one thread makes all the calls, each time the same ones."""
    processors = itertools.cycle(sorted(os.sched_getaffinity(0)))
    return concurrent.futures.ThreadPoolExecutor(
        2, initializer=lambda: os.sched_setaffinity(0, {next(processors)}))


class Faults(unittest.TestCase):
    """Each test is one scenario; subtests are its calls."""

    def learn(self, scenario, options=()):
        """Old and new states, and the calls between."""
        with Attempt(scenario, options) as attempt:
            self.old = attempt.states()
            run, calls = attempt.run(injection.calls)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.new = attempt.states()
            self.assertNotEqual(self.old, self.new)
            self.assertGreater(len(calls), 20)
            again = attempt.run_plainly()
            self.assertEqual(again.returncode, scenario.again, again.stderr)
            self.assertEqual(attempt.states(), self.new)
        self.first_visible = next(i for i, call in enumerate(calls) if call.makes_visible)
        self.last_visible = max(i for i, call in enumerate(calls) if call.makes_visible)
        return calls

    def check_files(self, attempt, litter_allowed=False, parts=slice(None)):
        """Which files are new: none, some or all. A mix in one, or litter, fails. `parts` of the
        states are compared."""
        now = {name: state and state[parts] for name, state in attempt.states().items()}
        before = {name: state[parts] for name, state in self.old.items()}
        after = {name: state[parts] for name, state in self.new.items()}
        names = set(before) | set(after)
        litter = set(now) - names
        if litter_allowed:
            litter = {name for name in litter
                      if not pathlib.Path(name).name.startswith(".greenify-")}
        self.assertEqual(litter, set(), "litter")
        old = {name for name in names if now.get(name) == before.get(name)}
        new = {name for name in names if now.get(name) == after.get(name)}
        self.assertEqual(names - old - new, set(), "neither the old file nor the new one")
        changed = {name for name in names if before.get(name) != after.get(name)}
        return "all" if changed <= new else "none" if changed <= old else "some"

    def check_second_run(self, attempt):
        run = attempt.run_plainly()
        self.assertIn(run.returncode, (0, 3), run.stderr)
        self.assertEqual(attempt.states(), self.new)

    def check_message(self, run, error):
        """One line says it; a line about the whole may follow."""
        lines = run.stderr.splitlines()
        self.assertIn(len(lines), (1, 2), run.stderr)
        for line in lines:
            self.assertTrue(line.startswith("greenify: "), line)
        self.assertTrue(injection.told(error, lines[0]), lines[0])

    def check_killed(self, scenario, calls, index, options):
        with Attempt(scenario, options) as attempt:
            run = attempt.run(injection.kill, calls[index])
            self.assertIn(run.returncode, (-9, 137), run.stderr)
            # Between two calls a name must stand for the file: see patcher/io/temporary.h.
            named = any(call.names_temporary for call in calls[:index])
            found = self.check_files(attempt, litter_allowed=named)
            if index <= self.first_visible:
                self.assertEqual(found, "none")
            if index > self.last_visible:
                self.assertEqual(found, "all")
            self.check_second_run(attempt)

    def check_failed(self, scenario, calls, index, error, options):
        with Attempt(scenario, options) as attempt:
            run = attempt.run(injection.fail, calls[index], error)
            lossy = (scenario.copies and error in ("EPERM", "EOPNOTSUPP") and
                     calls[index].name in ("fchown", "fsetxattr"))
            found = self.check_files(attempt, parts=slice(0, 1) if lossy else slice(None))
            if run.returncode == 0:
                self.assertEqual(found, "all")
            else:
                self.assertEqual(run.returncode, 1, run.stderr)
                self.check_message(run, error)
                self.assertFalse(scenario.patient and calls[index].must_survive(error),
                                 run.stderr)
                if index <= self.first_visible:
                    self.assertEqual(found, "none")
            if calls[index].name not in ("unlink", "rmdir"):
                self.assertEqual(list(attempt.temporary.iterdir()), [])
            self.check_second_run(attempt)

    def one(self, check, label, *arguments):
        try:
            check(*arguments)
        except AssertionError as failure:
            return f"{label}: {failure}"
        return None

    def inject(self, pool, scenario, calls, options, killing, failing):
        runs = []
        for index, call in enumerate(calls):
            if call in killing:
                runs.append(pool.submit(self.one, self.check_killed, f"killed at {call}",
                                        scenario, calls, index, options))
            for error in call.errors if call in failing else ():
                runs.append(pool.submit(self.one, self.check_failed, f"{error} at {call}",
                                        scenario, calls, index, error, options))
        failures = [failure for failure in (run.result() for run in runs) if failure]
        print(f"figure: faults {self.id().split('.')[-1]}: {len(runs)} runs over {len(calls)} calls",
              flush=True)
        self.assertEqual(len(failures), 0, "\n" + "\n".join(failures))

    def everywhere(self, scenario, options=(), thorough=False):
        with one_processor_each() as pool:
            calls = pool.submit(self.learn, scenario, options).result()
            ours = [call for call in calls if call.name not in injection.injected(options)]
            self.inject(pool, scenario, calls, options, *choose(ours, scenario, thorough))

    def test_patch_in_place(self):
        self.everywhere(InPlace(), thorough=True)

    def test_patch_in_place_without_nameless_files(self):
        self.everywhere(InPlace(), NO_PROC)

    def test_patch_to_a_new_file(self):
        self.everywhere(Output())

    def test_patch_over_another_file(self):
        self.everywhere(OutputOver())

    def test_patch_into_a_folder(self):
        self.everywhere(Folder())

    def test_patch_of_several_in_place(self):
        self.everywhere(Several())

    def test_patch_of_a_large_file(self):
        self.everywhere(Large())

    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "there is one processor")
    def test_patch_of_a_large_file_by_two_threads(self):
        """The calls are counted for each of them: one makes at least half of all."""
        scenario = Large()
        with one_processor_each() as pool:
            calls = pool.submit(self.learn, scenario).result()
        writes = [call for call in calls if call.name == "pwrite64"]
        chosen = set(writes[:len(writes) // 2])
        if os.environ.get("FAULTS") != "all":
            chosen = set(at_most(4, [call for call in writes if call in chosen]))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            self.inject(pool, scenario, calls, (), chosen, chosen)

    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "there is one processor")
    def test_patch_of_a_large_file_without_a_second_thread(self):
        scenario = Large()
        self.assertIn("clone3", {call.name for call in self.learn(scenario)})
        with Attempt(scenario, ()) as attempt:
            run = attempt.run(injection.fail, injection.Call("clone3", 1, ""), "EAGAIN")
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(self.check_files(attempt), "all")

    def test_revert(self):
        self.everywhere(Revert())

    def test_revert_of_a_large_file(self):
        self.everywhere(RevertLarge())

    def test_tree(self):
        self.everywhere(Tree())

    def test_tree_revert(self):
        self.everywhere(TreeRevert())

    def test_wheel_that_cannot_be_read(self):
        """libarchive does not say why."""
        scenario = Wheel()
        with one_processor_each() as pool:
            calls = pool.submit(self.learn, scenario).result()
            reads = [call for call in calls if call.name == "read" and '"PK' in call.text]
            self.assertGreater(len(reads), 0)
            self.inject(pool, scenario, calls, (), set(), set(at_most(4, reads)))

    def test_wheel(self):
        self.everywhere(Wheel())


if __name__ == "__main__":
    unittest.main(verbosity=2)
