#include "core/placement.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace ganglion {

#if defined(__linux__)

namespace {
constexpr int kUnknownPlace = 16;  // times in vain after which any place may be the caller's
}

void Placement::enter() { thread_.store(static_cast<int>(syscall(SYS_gettid)), std::memory_order_relaxed); }

void Placement::arrive() { processor_.store(sched_getcpu(), std::memory_order_relaxed); }

void Placement::give_way() {
  const int thread = thread_.load(std::memory_order_relaxed), processor = sched_getcpu();
  if (thread == 0 || processor < 0) return;
  if (processor_.load(std::memory_order_relaxed) != processor && ++in_vain_ % kUnknownPlace != 0) return;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || !CPU_ISSET(processor, &allowed)) return;
  if (CPU_COUNT(&allowed) < 2) return;
  // Its rights are the caller's again at once: only where it stands has changed.
  cpu_set_t others = allowed;
  CPU_CLR(processor, &others);
  if (sched_setaffinity(thread, sizeof others, &others) != 0) return;
  sched_setaffinity(thread, sizeof allowed, &allowed);
  processor_.store(-1, std::memory_order_relaxed);
}

#else

void Placement::enter() {}
void Placement::arrive() {}
void Placement::give_way() {}

#endif

}  // namespace ganglion
