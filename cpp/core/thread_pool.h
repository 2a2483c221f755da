// The process's one team of threads.
//
// parallel(threads, body) runs body(team) on `threads` threads at once, the caller among them, and returns when
// all have ended. A body walks through steps; within a step the threads share out chunks of work:
//
//   parallel(threads, [&](Team& team) {
//     for (const Step& step : steps) {
//       for (int64_t chunk; (chunk = team.next(step.chunks)) < step.chunks;) step.run(chunk, team.thread());
//       team.barrier();
//     }
//   });
//
// A thread that has not come by the caller's first barrier, since it sleeps or other programs have its processor, is
// left out of that region.
//
// One caller has the team at a time: a second one, or a body that calls parallel, gets a team of one and runs at
// once, so many Python threads neither wait for each other nor oversubscribe the cores. Threads start with the first
// use, and again after fork. Bodies must not throw.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace ganglion {

// A team larger than this is a mistake.
constexpr int kMaxThreads = 1024;

class ThreadPool;

// One thread's view of a parallel region.
class Team {
 public:
  Team(ThreadPool* pool, int thread, int threads);

  int thread() const { return thread_; }

  // Takes one of this step's chunks; `chunks` when none is left. Every thread passes the same number, less than 2^24. A
  // thread starts with its own share, the same in every step of as many chunks, so that it finds its data
  // in its cache; then it takes what others have left.
  int64_t next(int64_t chunks);

  // Ends a step: waits for all threads of the team. What any wrote before, all see after.
  void barrier();

 private:
  ThreadPool* pool_;  // null for a team of one
  int thread_;
  int threads_;
  bool open_;           // of the caller: threads may still join
  int victim_ = 0;      // whose share is being taken, counted from one's own
  int64_t cursor_ = 0;  // of a team of one
  uint64_t phase_ = 0;  // steps ended in this process
};

using TeamBody = void (*)(void* context, Team& team);

void run_parallel(int threads, TeamBody body, void* context);

template <class Body>
void parallel(int threads, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  run_parallel(
      threads, [](void* context, Team& team) { (*static_cast<Plain*>(context))(team); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// Threads to use. At first GANGLION_NUM_THREADS, otherwise the least of the processors this process may run on, its
// container's limit and OMP_NUM_THREADS. More threads than processors work, slowly.
int get_num_threads();
void set_num_threads(int threads);

// How many forks lie between this process and the one that loaded the library. Who holds a lock that another
// thread may have held at a fork compares.
uint64_t fork_count();

}  // namespace ganglion
