// The process's one team of threads.
//
// parallel(threads, body) runs body(team) on `threads` threads at once, the caller among them, and returns when
// all have ended. A body walks through steps; within a step the threads share out chunks of work:
//
//   parallel(threads, [&](Team& team) {
//     for (const Step& step : steps) {
//       for (int64_t chunk; (chunk = team.next(step.chunks)) < step.chunks;) step.run(chunk, team.thread());
//       team.end_step();
//     }
//   });
//
// A thread that has not come when others are done with their share, since it sleeps or other programs have its
// processor, is left out, and they do its share.
//
// One caller has the team at a time: a second one, or a body that calls parallel, gets a team of one and runs at
// once, so many Python threads neither wait for each other nor oversubscribe the cores. Threads start with the first
// use, and again after fork. Bodies of more than one thread must not throw.
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
  Team(ThreadPool* pool, int thread, int threads, uint64_t step)
      : pool_(pool), thread_(thread), threads_(threads), step_(step) {}

  int thread() const { return thread_; }

  // Takes one of this step's chunks; `chunks` when all have ended, and what they wrote can be seen. Every thread passes
  // the same number, less than 2^24. A thread runs its own share, the same in every step of as many chunks, so that it
  // finds its data in its cache, and then what others have left for some microseconds. Nobody waits for a
  // thread without a share.
  int64_t next(int64_t chunks);

  // Goes on to the next step, once `next` has given `chunks`.
  void end_step();

 private:
  friend class ThreadPool;

  int64_t share(int64_t chunks, int thread) const;  // where a thread's chunks begin
  int64_t claim(int64_t chunks, int owner);
  enum class Patience { a_moment, none, unlimited };
  int64_t await(int64_t chunks, int owner, Patience patience);
  void finish(int64_t chunks);

  ThreadPool* pool_;  // null for a team of one
  int thread_;
  int threads_;
  uint64_t step_;           // counted through all regions
  int running_ = -1;        // whose chunk this thread has taken last and not ended
  bool own_taken_ = false;  // its own share is taken
  bool helps_ = false;      // it has lost its patience with others in this step
  int64_t cursor_ = 0;      // of a team of one
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
