# SPDX-License-Identifier: GPL-2.0-or-later
"""The stages of the checks. Each takes a Context and returns its results; None means that there is nothing to run."""

import concurrent.futures
import os
import pathlib
import re

import requirements
import text
from command import run
from result import FAILED, PASSED, SKIPPED, Result, from_junit, from_tap

BUILD_LIMIT_S = 600
PROGRAM_LIMIT_S = 180
LAB_FILE_LIMIT_S = 300
KERNELS_LIMIT_S = 600
NUM_LABS = 4
# These take longest, much of it waiting for timers: were they begun last, a CPU would have nothing to do at the end.
LONG_LABS = ("demo_test", "timer_test", "stun_test", "pmtu_test", "resize_test", "restart_test")
NUM_CPUS = len(os.sched_getaffinity(0))


class Context:
    def __init__(self, env, say, note):
        self.env = env
        self.say = say  # one line of progress
        self.note = note  # one line that is worth reading but is no result
        self.is_root = os.geteuid() == 0

    def make(self, *targets):
        """Builds what can be built of these targets; returns (exit status, output)."""
        argv = ["make", "--no-print-directory", f"-j{NUM_CPUS}", "-k", *targets]
        status, output, _ = run(argv, BUILD_LIMIT_S, self.env)
        return status, output


def build(context):
    if not pathlib.Path("src/cli/main.c").exists():
        return None
    status, output = context.make("all")
    return [_outcome("build: the program, its BPF objects, the man pages", status, output)]


def format_(context):
    return [_complaints("format: clang-format", text.format_c, text.files())]


def lint(context):
    paths = text.files()
    results = [
        _complaints("lint: license line", text.license_lines, paths),
        _complaints("lint: .editorconfig", text.layout, paths),
        _complaints("lint: no debug prints", text.debug_prints, paths),
        _complaints("lint: flake8", text.python, paths),
        _complaints("lint: shellcheck", text.shell, paths),
        _complaints("lint: docs/requirements.md", requirements.complaints, paths),
    ]
    for line in text.long_files(paths):
        context.note(line)
    for name, target in (("every header compiles alone", "headers"), ("clang-tidy", "tidy")):
        status, output = context.make(target)
        results.append(_outcome(f"lint: {name}", status, output))
    status, output, _ = run(_pytest("tests/runner", "build/check/runner.xml"), PROGRAM_LIMIT_S, context.env)
    results.append(_outcome("lint: this runner's own tests", status, output))
    return results


def unit(context):
    return _programs(context, "unit", "_test.c", NUM_CPUS)


def kernel(context):
    return _programs(context, "kernel", "_probe.c", 1, needs_root=True)


def prog(context):
    results = _programs(context, "prog", "_test.c", 1, needs_root=True)
    if not context.is_root:
        return results
    status, output = context.make("verifier")
    return results + [_outcome("prog: the verifier's budget (make verifier)", status, output)]


def lab(context):
    files = sorted(pathlib.Path("tests/lab").glob("*_test.py"), key=lambda file: (file.stem not in LONG_LABS, file.stem))
    if not files:
        return None
    if not context.is_root:
        return [Result("lab", SKIPPED, "needs root: it makes network namespaces")]

    def run_one(file):
        report = f"build/check/lab-{file.stem}.xml"
        status, output, seconds = run(_pytest(file, report), LAB_FILE_LIMIT_S, context.env)
        found = from_junit(f"lab/{file.stem}", report, output, status)
        context.say(_line(f"lab/{file.stem}", found, seconds))
        return found

    # Labs live side by side without meeting, and each mostly waits: for the kernel to make and remove namespaces.
    with concurrent.futures.ThreadPoolExecutor(NUM_LABS) as pool:
        return [result for found in pool.map(run_one, files) for result in found]


def kernels(context):
    program = pathlib.Path("tests/kernels/run")
    if not program.exists():
        return None
    status, output, seconds = run([str(program)], KERNELS_LIMIT_S, context.env)
    results = from_tap("kernels", output, status)
    table = re.search(r"^# {20,}\S.*\Z", output, re.MULTILINE | re.DOTALL)  # its head has no name before the kernels
    for line in table.group(0).splitlines() if table else []:
        context.say(line)
    context.say(_line("kernels", results, seconds))
    return results


def fuzz(context):
    """Not one of the stages that run by default: FUZZ_TIME seconds for each target (make fuzz)."""
    sources = sorted(pathlib.Path("tests/fuzz").glob("*_fuzz.c"))
    if not sources:
        return None
    results, binaries = _build(context, "fuzz", sources)
    with concurrent.futures.ThreadPoolExecutor(NUM_CPUS) as pool:
        return results + list(pool.map(lambda binary: _fuzz_one(context, binary), binaries))


def _fuzz_one(context, binary):
    seconds = int(context.env.get("FUZZ_TIME", "60"))
    corpus = pathlib.Path("build/fuzz/corpus", binary.name)
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = pathlib.Path("tests/fuzz/corpus", binary.name)
    argv = [str(binary), f"-max_total_time={seconds}", "-timeout=10", "-print_final_stats=1"]
    argv += [f"-artifact_prefix=build/fuzz/{binary.name}-", str(corpus)] + ([str(seeds)] if seeds.is_dir() else [])
    status, output, _ = run(argv, seconds + 60, context.env)
    runs = re.search(r"number_of_executed_units: *([1-9]\d*)", output)
    context.say(f"fuzz/{binary.name}: {runs.group(1) if runs else 'no'} inputs in {seconds} s")
    return _outcome(f"fuzz/{binary.name}", status if runs else status or 1, "\n".join(output.splitlines()[-60:]))


STAGES = {
    "build": build,
    "format": format_,
    "lint": lint,
    "unit": unit,
    "kernel": kernel,
    "prog": prog,
    "lab": lab,
    "kernels": kernels,
    "fuzz": fuzz,
}
DEFAULT = [name for name in STAGES if name != "fuzz"]
LEAVE_NOTHING = ("kernel", "prog", "lab")


def _outcome(name, status, output):
    if status == 0:
        return Result(name, PASSED)
    reason = "it lasted too long" if status is None else f"exit status {status}"
    return Result(name, FAILED, f"{reason}\n{output}".strip())


def _complaints(name, check, paths):
    try:
        found = check(paths)
    except text.MissingTool as problem:
        return Result(name, SKIPPED, str(problem))
    return Result(name, FAILED, "\n".join(found)) if found else Result(name, PASSED)


def _pytest(what, report):
    pathlib.Path(report).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(report).unlink(missing_ok=True)
    return [
        "/usr/bin/python3", "-m", "pytest", "-rs", "-v", "-p", "no:cacheprovider", f"--rootdir={pathlib.Path.cwd()}",
        "-o", "faulthandler_timeout=120", f"--junitxml={report}", str(what),
    ]


def _line(name, results, seconds):
    counts = [f"{sum(result.status == status for result in results)} {status}" for status in (PASSED, FAILED, SKIPPED)]
    shown = [count for count in counts if not count.startswith("0 ")]
    return f"{name}: {', '.join(shown) or 'nothing'} ({seconds:.1f} s)"


def _build(context, kind, sources):
    """Builds the programs of these sources: (a failure for each that could not be built, the others' paths)."""
    status, output = context.make(f"{kind}-programs")
    results, binaries = [], []
    for source in sources:
        binary = pathlib.Path("build", kind, source.stem)
        # An old program of that name may still be there: only make knows whether it is the one of this source.
        if status == 0 or run(["make", "-q", str(binary)], BUILD_LIMIT_S, context.env)[0] == 0:
            binaries.append(binary)
        else:
            results.append(Result(f"{kind}/{source.stem}", FAILED, f"could not be built\n{output}"))
            output = "(see above)"
    return results, binaries


def _programs(context, kind, suffix, num_jobs, needs_root=False):
    sources = sorted(pathlib.Path("tests", kind).glob(f"*{suffix}"))
    if not sources:
        return None
    results, binaries = _build(context, kind, sources)
    if needs_root and not context.is_root:
        return results + [Result(kind, SKIPPED, "needs root: it loads BPF programs")]

    def run_one(binary):
        status, output, seconds = run([str(binary)], PROGRAM_LIMIT_S, context.env)
        found = from_tap(f"{kind}/{binary.name}", output, status)
        context.say(_line(f"{kind}/{binary.name}", found, seconds))
        return found

    with concurrent.futures.ThreadPoolExecutor(num_jobs) as pool:
        for found in pool.map(run_one, binaries):
            results += found
    return results
