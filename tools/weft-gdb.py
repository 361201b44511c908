# SPDX-License-Identifier: MIT
"""weft's tasks in gdb, in a process or a core file.

    (gdb) source …/share/weft/weft-gdb.py
    (gdb) weft tasks          who is there, and what each waits for
    (gdb) weft bt 7           the stack of task 7
    (gdb) weft bt all         of all, equal ones once
    (gdb) weft task 7         look at it: bt, frame, info locals …
    (gdb) weft task           back to the thread

Nothing in the process is written or run: a parked task's registers are presented to gdb as the
caller's of the thread's own innermost frame. The library needs its symbol table, not its debug
information: it describes its structures itself (src/sched/layout.c).
"""

import gdb
import gdb.unwinder

VERSION = 4
FIELDS = """version stack_bytes stack_head_bytes colours colour_bytes stack_sp stack_task stack_name
stack_waiter stack_since task_site waiter_state waiter_data waiter_why waiter_address why_text
why_object runtime_now""".split()
# What weft__switch() has saved, from low to high; the pointer, and how far above it was.
SAVED = {
    "i386:x86-64": (["rbx", "rbp", "rip"], "rsp", 24),
    "aarch64": (["x19", "x29", "pc"], "sp", 32),
}
OF_ADDRESS, OF_DATA, OF_DESCRIPTOR = range(3)
WAITING, PARKED_ALONE, PARKED_TASK, ASLEEP = 0, 1, 2, 16


def read(address, size):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, size).tobytes(), "little")


def word(address):
    return read(address, 8)


def string(address):
    if address == 0:
        return ""
    try:
        return gdb.Value(address).cast(gdb.lookup_type("char").pointer()).string()
    except (gdb.MemoryError, UnicodeDecodeError):
        return "?"


def symbol_address(name):
    try:
        return int(gdb.parse_and_eval(f"(unsigned long)&{name}"))
    except gdb.error:
        raise gdb.GdbError(f"weft: no symbol {name}: the program has no weft in it, or is stripped") from None


def place(address):
    """Where in the source a call was that returns to address; a symbol, if there are no lines."""
    if address == 0:
        return "?"
    line = gdb.find_pc_line(address - 1)
    where = f"{line.symtab.filename}:{line.line}" if line.symtab else ""
    name = gdb.execute(f"info symbol {address - 1:#x}", to_string=True).split(" in section")[0].strip()
    name = name.split(" + ")[0] if not name.startswith("No symbol") else ""
    return " ".join(filter(None, [name, f"at {where}" if where else ""])) or f"{address:#x}"


class Layout:
    """The numbers that src/sched/layout.c has, in its order."""

    def __init__(self):
        table = symbol_address("weft__layout")
        for i, field in enumerate(FIELDS):
            setattr(self, field, read(table + 4 * i, 4))
        if self.version != VERSION:
            raise gdb.GdbError(f"weft: the library's structures are of version {self.version}, not {VERSION}")
        region = symbol_address("weft__stacks")
        self.base, self.count = word(region), word(region + 16)
        self.now = word(symbol_address("weft__rt") + self.runtime_now)

    def stack(self, number):
        low = self.base + (number - 1) * self.stack_bytes
        colour = low // self.stack_bytes % self.colours
        return low, low + self.stack_bytes - colour * self.colour_bytes - self.stack_head_bytes


class Task:
    """One that has begun. state is "waits", "is ready" or "runs"."""

    def __init__(self, layout, number):
        self.number = number
        self.low, head = layout.stack(number)
        task = word(head + layout.stack_task)
        self.exists = task != 0
        if not self.exists:
            return
        self.name = string(word(head + layout.stack_name))
        self.site = word(task + layout.task_site)
        waiter = word(head + layout.stack_waiter)
        state = read(waiter + layout.waiter_state, 4) if waiter else WAITING
        self.sp = word(head + layout.stack_sp)
        if state == WAITING:
            self.state, self.reason = "runs", ""
        else:
            self.state = "waits" if state in (PARKED_ALONE, PARKED_TASK, ASLEEP) else "is ready"
            since = word(head + layout.stack_since)
            age = max(layout.now - since, 0) // 1000000000
            self.reason = self.describe(layout, waiter) + (f", for {age} s" if age > 0 else "")

    @staticmethod
    def describe(layout, waiter):
        why = word(waiter + layout.waiter_why)
        kind, data = read(why + layout.why_object, 4), word(waiter + layout.waiter_data)
        text = string(word(why + layout.why_text))
        if kind == OF_DESCRIPTOR:
            return f"{text} {data}"
        address = {OF_ADDRESS: word(waiter + layout.waiter_address), OF_DATA: data}.get(kind, 0)
        return f"{text} at {address:#x}" if address else text

    def title(self):
        name = f' "{self.name}"' if self.name else ""
        return f"task {self.number}{name}"

    def thread(self, layout):
        """The thread that runs it, or None."""
        selected = gdb.selected_thread()
        try:
            for thread in gdb.selected_inferior().threads():
                thread.switch()
                sp = int(gdb.parse_and_eval("(unsigned long)$sp"))
                if self.low <= sp < self.low + layout.stack_bytes:
                    return thread
        finally:
            if selected is not None:
                selected.switch()
        return None

    def registers(self):
        names, pointer, bytes_saved = SAVED[gdb.selected_frame().architecture().name()]
        values = {name: word(self.sp + 8 * i) for i, name in enumerate(names)}
        return {**values, pointer: self.sp + bytes_saved}


def tasks():
    layout = Layout()
    for number in range(1, layout.count + 1):
        task = Task(layout, number)
        if task.exists:
            yield layout, task


def find(text):
    layout = Layout()
    number = int(text) if text.isdigit() else 0
    task = Task(layout, number) if 1 <= number <= layout.count else None
    if task is None or not task.exists:
        raise gdb.GdbError(f"weft: there is no task {text}: see weft tasks")
    return layout, task


def as_register(value, kind):
    return gdb.Value(value).cast(gdb.lookup_type("unsigned long")).cast(kind)


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Presenter(gdb.unwinder.Unwinder):
    """The innermost frame of the thread has the task's frames as its callers."""

    def __init__(self):
        super().__init__("weft")
        self.registers = None
        self.sp = self.pc = self.below = 0

    def present(self, task):
        self.registers, self.below = None, task.sp - 16
        gdb.invalidate_cached_frames()
        frame = gdb.newest_frame()
        self.sp, self.pc = int(frame.read_register("sp")), frame.pc()
        self.registers = task.registers()
        gdb.invalidate_cached_frames()

    def withdraw(self):
        self.registers = None
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.registers is None:
            return None
        sp, pc = pending.read_register("sp"), pending.read_register("pc")
        if int(sp) != self.sp or int(pc) != self.pc:
            return None
        # The caller's frame has to be above it: gdb takes the stack for corrupt else.
        info = pending.create_unwind_info(FrameId(as_register(self.below, sp.type), pc))
        for name, value in self.registers.items():
            info.add_saved_register(name, as_register(value, pending.read_register(name).type))
        return info


presenter = Presenter()
gdb.unwinder.register_unwinder(None, presenter, True)


def addresses():
    frame, found = gdb.newest_frame(), []
    while frame is not None:
        found.append(frame.pc())
        frame = frame.older()
    return found


def frames_of(layout, task):
    """The task's stack: its addresses, and gdb's own text of it without the frame that stands before."""
    if task.state == "runs":
        thread = task.thread(layout)
        if thread is None:
            return ("none", task.number), "    is about to park or to go on: no frames\n"
        selected = gdb.selected_thread()
        thread.switch()
        try:
            text = gdb.execute("backtrace", to_string=True)
            return ("thread", thread.num), f"    on thread {thread.num}\n{text}"
        finally:
            selected.switch()
    presenter.present(task)
    try:
        lines = gdb.execute("backtrace", to_string=True).splitlines(True)
        key = (task.state, *addresses()[1:])
    finally:
        presenter.withdraw()
    start = next((i for i, line in enumerate(lines) if line.startswith("#1 ")), len(lines))
    return key, "".join(lines[start:])


class Weft(gdb.Command):
    """Tasks of weft: weft tasks, weft bt N, weft bt all, weft task N."""

    def __init__(self):
        super().__init__("weft", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Tasks(gdb.Command):
    """List the tasks that have begun: number, name, state, what each waits for, where it was started."""

    def __init__(self):
        super().__init__("weft tasks", gdb.COMMAND_STACK)

    def invoke(self, arguments, from_tty):
        count = 0
        for _, task in tasks():
            reason = f": {task.reason}" if task.reason else ""
            gdb.write(f"{task.title()} {task.state}{reason}; started in {place(task.site)}\n")
            count += 1
        if count == 0:
            gdb.write("no task has begun\n")


class Backtrace(gdb.Command):
    """weft bt N: the stack of task N.  weft bt all: of all tasks; those with the same stack once."""

    def __init__(self):
        super().__init__("weft bt", gdb.COMMAND_STACK)

    def invoke(self, arguments, from_tty):
        if arguments.strip() != "all":
            layout, task = find(arguments.strip())
            gdb.write(f"{task.title()} {task.state}{': ' if task.reason else ''}{task.reason}\n")
            gdb.write(frames_of(layout, task)[1])
            return
        groups = {}
        for layout, task in tasks():
            key, text = frames_of(layout, task)
            groups.setdefault(key, (text, []))[1].append(task)
        for text, members in sorted(groups.values(), key=lambda group: -len(group[1])):
            gdb.write(f"{len(members)} task{'s' if len(members) > 1 else ''}: ")
            gdb.write(", ".join(task.title().removeprefix("task ") for task in members[:8]))
            gdb.write(f" and {len(members) - 8} more\n" if len(members) > 8 else "\n")
            gdb.write(f"    {members[0].state}{': ' if members[0].reason else ''}{members[0].reason}\n{text}\n")


class Select(gdb.Command):
    """weft task N: have bt, frame, info locals and so on show task N, behind frame 0, which stays the
thread's.  weft task: show the thread again, as every step and continue does."""

    def __init__(self):
        super().__init__("weft task", gdb.COMMAND_STACK)

    def invoke(self, arguments, from_tty):
        if not arguments.strip():
            presenter.withdraw()
            return
        _, task = find(arguments.strip())
        if task.state == "runs":
            raise gdb.GdbError(f"weft: {task.title()} runs: it is on one of the threads, see weft bt {task.number}")
        presenter.present(task)
        gdb.execute("frame 1")


Weft()
Tasks()
Backtrace()
Select()
gdb.events.cont.connect(lambda event: presenter.withdraw())
