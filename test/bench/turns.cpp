// A shim to preload into a pooler: how long is a turn of its loops?
//
// A turn is what a thread does between two calls of epoll_wait; while it lasts nobody else on that
// loop is served. Of each thread's turns it notes the longest by the wall clock and by the thread's
// own CPU clock, and counts by CPU time. The CPU clock stands still while other programs run, so
// that number is the pooler's own, on however busy a machine.
//
// The file named by BENCH_TURNS is mapped, shared: `storm` reads it and zeroes it between phases.
//
//   file:   kSlots x Slot (native 64-bit words)
//   Slot:   tid, turns, longest wall ns, longest CPU ns, total CPU ns, counts[kBuckets]
//   counts: turns whose CPU time is below 2^i * 125 us (i = 0, 1, ...); the last one has the rest
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr int kSlots = 64, kBuckets = 11;

struct Slot {
  std::atomic<std::uint64_t> tid, turns, wall, cpu, total, counts[kBuckets];
};

std::atomic<int> next_slot{0};

Slot* slots() {
  static Slot* mapped = []() -> Slot* {
    const char* path = std::getenv("BENCH_TURNS");
    int fd = path ? ::open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return nullptr;
    void* at = ::mmap(nullptr, sizeof(Slot) * kSlots, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    return at == MAP_FAILED ? nullptr : static_cast<Slot*>(at);
  }();
  return mapped;
}

std::uint64_t clock_ns(clockid_t clock) {
  timespec at{};
  ::clock_gettime(clock, &at);
  return static_cast<std::uint64_t>(at.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(at.tv_nsec);
}

struct Thread {
  Slot* slot = nullptr;
  std::uint64_t wall = 0, cpu = 0;

  void turn_begins() {
    if (!slot) {
      int number = next_slot.fetch_add(1);
      if (!slots() || number >= kSlots) return;
      slot = slots() + number;
      slot->tid = static_cast<std::uint64_t>(::syscall(SYS_gettid));
    }
    wall = clock_ns(CLOCK_MONOTONIC);
    cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  }
  void turn_ends() {
    if (!slot) return;
    std::uint64_t used = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    std::uint64_t took = clock_ns(CLOCK_MONOTONIC) - wall;
    slot->turns += 1;
    slot->total += used;
    if (took > slot->wall) slot->wall = took;
    if (used > slot->cpu) slot->cpu = used;
    int bucket = 0;
    while (bucket < kBuckets - 1 && used >= (std::uint64_t{125'000} << bucket)) ++bucket;
    slot->counts[bucket] += 1;
  }
};

thread_local Thread thread;

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  static auto* real = next<int(int, epoll_event*, int, int)>("epoll_wait");
  thread.turn_ends();
  int count = real(epoll, events, most, timeout);
  thread.turn_begins();
  return count;
}

int epoll_pwait(int epoll, epoll_event* events, int most, int timeout, const sigset_t* mask) {
  static auto* real = next<int(int, epoll_event*, int, int, const sigset_t*)>("epoll_pwait");
  thread.turn_ends();
  int count = real(epoll, events, most, timeout, mask);
  thread.turn_begins();
  return count;
}

}  // extern "C"
