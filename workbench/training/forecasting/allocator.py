"""What the C library's allocator occupies for a list of allocations, played in a process of its own."""

import ctypes
import random
import subprocess
import sys

# Besides the tensor itself, its storage and the Python object take small blocks of these sizes.
_SMALL = (24, 40, 56, 72, 88, 104, 200, 300, 500)

_PLAYER = """
import ctypes, sys
libc, names = ctypes.CDLL(None), "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in names]
libc.mallinfo2.restype = Info
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
start, top, at = libc.mallinfo2(), 0, {}
for line in sys.stdin:
    number, size = map(int, line.split())
    if number in at:
        libc.free(at.pop(number))
    if size >= 1024:
        place = ctypes.c_void_p()
        if libc.posix_memalign(ctypes.byref(place), ctypes.c_size_t(64), ctypes.c_size_t(size)):
            sys.exit("no room")
        at[number] = place
        now = libc.mallinfo2()
        top = max(top, now.arena + now.hblkhd - start.arena - start.hblkhd)
    elif size:
        at[number] = libc.malloc(size)
print(top)
"""


def play(operations: list[tuple[int, float]], seed: int) -> float:
    """Return how many bytes the C library's allocator occupies at most for these operations; 0 where it can't tell.

    Beside each tensor's memory stand three small blocks as long as it does: the tensor, its storage and the Python
    object. They settle in the gaps that aligned blocks leave, which is what breaks up the heap. Their sizes are drawn.
    """
    if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"):
        return 0.0
    draw, words = random.Random(seed), list[str]()
    for number, size in operations:
        words.append(f"{4 * number} {int(size)}")
        words += [f"{4 * number + i} {draw.choice(_SMALL) if size else 0}" for i in range(1, 4)]
    text = "\n".join(words)
    done = subprocess.run([sys.executable, "-S", "-E", "-c", _PLAYER], input=text, capture_output=True, text=True)
    return float(done.stdout) if done.returncode == 0 else 0.0
