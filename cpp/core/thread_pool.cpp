#include "core/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "core/cores.h"
#include "core/error.h"

#if !defined(_WIN32)
#include <pthread.h>
#include <signal.h>
#endif

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace ganglion {
namespace {

// Two cache lines, which processors fetch in pairs.
constexpr int kLine = 128;

// How long a thread waits before it lets others run, and before it sleeps. Waking a sleeping thread costs tens of
// microseconds, which is several steps of a small network; a training loop calls again within a few.
constexpr std::chrono::microseconds kSpin{2};
constexpr std::chrono::microseconds kYield{200};
constexpr int kCrowdedYields = 8;

// Tells the processor that this thread is only waiting.
void relax() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

// A number that only grows, and that threads wait on.
class alignas(kLine) Progress {
 public:
  uint64_t value() const { return value_.load(std::memory_order_acquire); }

  void set(uint64_t value) {
    // Sequentially consistent, as the sleeper's two steps are: either it sees the new value or we see it asleep.
    value_.store(value);
    if (sleepers_.load() > 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      changed_.notify_all();
    }
  }

  // Until the value is at least `wanted`. With more threads than processors spinning only keeps others from working.
  void wait(uint64_t wanted, bool crowded) {
    if (!(crowded ? yield(wanted) : spin(wanted, kYield))) sleep(wanted);
  }

  // The same for `time` at most; whether it came.
  bool spin(uint64_t wanted, std::chrono::microseconds time) const {
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
      for (int i = 0; i < 32; ++i) {
        if (value() >= wanted) return true;
        relax();
      }
      const auto waited = std::chrono::steady_clock::now() - start;
      if (waited > time) return false;
      if (waited > kSpin) std::this_thread::yield();
    }
  }

 private:
  bool yield(uint64_t wanted) const {
    for (int i = 0; i < kCrowdedYields; ++i) {
      if (value() >= wanted) return true;
      std::this_thread::yield();
    }
    return value() >= wanted;
  }

  void sleep(uint64_t wanted) {
    sleepers_.fetch_add(1);
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return value_.load() >= wanted; });
    }
    sleepers_.fetch_sub(1);
  }

  std::atomic<uint64_t> value_{0};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

// A count that begins anew in every step: the step in the high bits, so that nobody has to set it back.
class alignas(kLine) StepCount {
 public:
  static constexpr int kBits = 24;

  // Adds one, up to `most`; what it was before.
  int64_t advance(uint64_t step, int64_t most, std::memory_order order) {
    uint64_t current = word_.load(std::memory_order_relaxed);
    for (;;) {
      const int64_t count = in(step, current, most);
      if (count >= most) return most;
      const uint64_t next = step << kBits | static_cast<uint64_t>(count + 1);
      if (word_.compare_exchange_weak(current, next, order, std::memory_order_relaxed)) return count;
    }
  }

 private:
  // A step that is over for others is over for a thread that lags behind too.
  static int64_t in(uint64_t step, uint64_t word, int64_t most) {
    const int64_t ahead = static_cast<int64_t>((word >> kBits << kBits) - (step << kBits));
    if (ahead != 0) return ahead > 0 ? most : 0;
    return static_cast<int64_t>(word & ((uint64_t{1} << kBits) - 1));
  }

  std::atomic<uint64_t> word_{0};
};

// What belongs to one thread of the team; seat 0 is the caller's.
struct Seat {
  Progress jobs;      // jobs this thread was called to
  StepCount claimed;  // chunks of its share that somebody has taken
  StepCount done;     // and that have ended
  Progress complete;  // the last step whose share is done
  Progress left;      // the last job it took part in and has left
  // Whether it takes part in a job: kOpen until it comes or is left out.
  alignas(kLine) std::atomic<uint64_t> ticket{0};
};

enum Ticket : uint64_t { kOpen, kJoined, kLeftOut };
constexpr uint64_t ticket(uint64_t job, Ticket state) { return job << 2 | state; }

// Keeps signals away from threads made while it lives, except a thread's own faults: the program's threads handle them.
class BlockedSignals {
 public:
#if defined(_WIN32)
  BlockedSignals() {}
#else
  BlockedSignals() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
#endif
};

}  // namespace

// Never destroyed: its threads may sleep until the process ends.
class ThreadPool {
 public:
  // Whether the caller has the team now.
  bool enter() { return !busy_.load(std::memory_order_relaxed) && !busy_.exchange(true, std::memory_order_acquire); }
  void leave() { busy_.store(false, std::memory_order_release); }

  void run(int threads, TeamBody body, void* context) {
    threads_ = grow(threads);
    crowded_.store(threads_ > cores_, std::memory_order_relaxed);
    body_ = body;
    context_ = context;
    ++job_;
    for (int thread = 1; thread < threads_; ++thread) {
      seat(thread).ticket.store(ticket(job_, kOpen), std::memory_order_release);
      seat(thread).jobs.set(job_);
    }
    Team team(this, 0, threads_, first_step_);
    body_(context_, team);
    for (int thread = 1; thread < threads_; ++thread) {
      if (!leave_out(thread)) seat(thread).left.wait(job_, crowded());
    }
    first_step_ = team.step_ + 1;
  }

 private:
  friend class Team;

  Seat& seat(int thread) { return *seats_[static_cast<size_t>(thread)]; }
  bool crowded() const { return crowded_.load(std::memory_order_relaxed); }

  // Makes seats and threads for a team of `threads`; how many there can be.
  int grow(int threads) {
    while (static_cast<int>(seats_.size()) < threads) {
      auto made = std::make_unique<Seat>();
      if (!seats_.empty()) {
        const BlockedSignals blocked;
        try {
          std::thread(&ThreadPool::work, this, made.get(), static_cast<int>(seats_.size())).detach();
        } catch (const std::system_error&) {
          return static_cast<int>(seats_.size());  // the system has no more threads
        }
      }
      seats_.push_back(std::move(made));
    }
    return threads;
  }

  void work(Seat* mine, int thread) {
    for (uint64_t job = 0;;) {
      mine->jobs.wait(job + 1, crowded());
      job = mine->jobs.value();
      uint64_t open = ticket(job, kOpen);
      if (!mine->ticket.compare_exchange_strong(open, ticket(job, kJoined), std::memory_order_acq_rel)) continue;
      Team team(this, thread, threads_, first_step_);
      body_(context_, team);
      mine->left.set(job);
    }
  }

  // A thread that has not come when somebody could use its help, because other programs have its processor, is left
  // out of the job: the others would stand still until it is scheduled. Whether it is.
  bool leave_out(int thread) {
    std::atomic<uint64_t>& state = seat(thread).ticket;
    uint64_t open = ticket(job_, kOpen);
    if (state.load(std::memory_order_acquire) == open) {
      state.compare_exchange_strong(open, ticket(job_, kLeftOut), std::memory_order_acq_rel);
    }
    return state.load(std::memory_order_acquire) == ticket(job_, kLeftOut);
  }

  std::atomic<bool> busy_{false};
  const int cores_ = available_cores();
  std::vector<std::unique_ptr<Seat>> seats_;
  // The job, written before the threads are called to it.
  TeamBody body_ = nullptr;
  void* context_ = nullptr;
  int threads_ = 1;
  uint64_t job_ = 0;
  uint64_t first_step_ = 1;
  std::atomic<bool> crowded_{false};  // read by idle threads too
};

namespace {

std::atomic<ThreadPool*> pool{nullptr};
std::atomic<int> chosen_threads{0};  // 0 until first asked
std::atomic<uint64_t> forks{0};

#if !defined(_WIN32)
// The child of a fork has none of the threads, and its copy of the pool may be in the middle of a job.
void forget_pool() {
  pool.store(nullptr);
  forks.fetch_add(1);
}
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
#endif

ThreadPool& shared_pool() {
  ThreadPool* current = pool.load(std::memory_order_acquire);
  if (current) return *current;
  auto made = std::make_unique<ThreadPool>();
  if (pool.compare_exchange_strong(current, made.get())) return *made.release();
  return *current;  // another thread was first
}

}  // namespace

int64_t Team::share(int64_t chunks, int thread) const { return (chunks * thread + threads_ - 1) / threads_; }

int64_t Team::next(int64_t chunks) {
  if (!pool_) return cursor_ < chunks ? cursor_++ : chunks;
  finish(chunks);
  if (!own_taken_) {
    const int64_t chunk = claim(chunks, thread_);
    if (chunk < chunks) return chunk;
    own_taken_ = true;
  }
  // What belongs to others is theirs, unless they do not come to it. Somebody may be busy with a part of one's own
  // share.
  for (const auto patience : {Patience::a_moment, Patience::none, Patience::unlimited}) {
    if (helps_ && patience == Patience::a_moment) continue;
    for (int other = 0; other < threads_; ++other) {
      const int64_t chunk = await(chunks, (thread_ + other) % threads_, patience);
      if (chunk < chunks) return chunk;
    }
  }
  return chunks;
}

// Until the owner's share is done, or for as long as patience lasts: then a chunk of it that this thread should run,
// if there is one left.
int64_t Team::await(int64_t chunks, int owner, Patience patience) {
  if (share(chunks, owner) == share(chunks, owner + 1)) return chunks;
  Progress& complete = pool_->seat(owner).complete;
  if (complete.value() >= step_) return chunks;
  if (patience == Patience::unlimited) {
    complete.wait(step_, pool_->crowded());
    return chunks;
  }
  const bool absent = owner != 0 && pool_->leave_out(owner);
  if (patience == Patience::a_moment && !absent) {
    if (!pool_->crowded()) complete.spin(step_, kSpin);
    return chunks;
  }
  helps_ = true;
  return claim(chunks, owner);
}

int64_t Team::claim(int64_t chunks, int owner) {
  const int64_t first = share(chunks, owner), count = share(chunks, owner + 1) - first;
  const int64_t index = pool_->seat(owner).claimed.advance(step_, count, std::memory_order_relaxed);
  if (index == count) return chunks;
  running_ = owner;
  return first + index;
}

// Whoever ends the last chunk of a share sees what others wrote for it, and says so to all.
void Team::finish(int64_t chunks) {
  if (running_ < 0) return;
  const int64_t count = share(chunks, running_ + 1) - share(chunks, running_);
  Seat& owner = pool_->seat(running_);
  if (owner.done.advance(step_, count, std::memory_order_acq_rel) == count - 1) owner.complete.set(step_);
  running_ = -1;
}

void Team::end_step() {
  cursor_ = 0;
  own_taken_ = helps_ = false;
  ++step_;
}

void run_parallel(int threads, TeamBody body, void* context) {
  if (threads > 1) {
    ThreadPool& shared = shared_pool();
    if (shared.enter()) {
      shared.run(threads, body, context);
      shared.leave();
      return;
    }
  }
  Team alone(nullptr, 0, 1, 0);
  body(context, alone);
}

int get_num_threads() {
  int threads = chosen_threads.load(std::memory_order_relaxed);
  if (threads == 0) {
    threads = std::min(default_threads(), kMaxThreads);
    chosen_threads.store(threads, std::memory_order_relaxed);
  }
  return threads;
}

void set_num_threads(int threads) {
  check(threads >= 1 && threads <= kMaxThreads, "[set_num_threads] threads must be between 1 and ", kMaxThreads,
        ", got ", threads);
  chosen_threads.store(threads, std::memory_order_relaxed);
}

uint64_t fork_count() { return forks.load(std::memory_order_relaxed); }

}  // namespace ganglion
