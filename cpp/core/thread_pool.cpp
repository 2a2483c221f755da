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
class alignas(kLine) Phase {
 public:
  uint64_t value() const { return value_.load(std::memory_order_acquire); }

  void advance() {
    // Sequentially consistent, as the sleeper's two steps are: either it sees the new value or we see it asleep.
    value_.fetch_add(1);
    if (sleepers_.load() > 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      changed_.notify_all();
    }
  }

  // Until the value is no longer `old`. With more threads than processors spinning only keeps the others from working.
  void wait(uint64_t old, bool crowded) {
    if (!(crowded ? yield(old) : spin(old))) sleep(old);
  }

 private:
  bool spin(uint64_t old) const {
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
      for (int i = 0; i < 32; ++i) {
        if (value() != old) return true;
        relax();
      }
      const auto waited = std::chrono::steady_clock::now() - start;
      if (waited > kYield) return false;
      if (waited > kSpin) std::this_thread::yield();
    }
  }

  bool yield(uint64_t old) const {
    for (int i = 0; i < kCrowdedYields; ++i) {
      if (value() != old) return true;
      std::this_thread::yield();
    }
    return value() != old;
  }

  void sleep(uint64_t old) {
    sleepers_.fetch_add(1);
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return value_.load() != old; });
    }
    sleepers_.fetch_sub(1);
  }

  std::atomic<uint64_t> value_{0};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

// What belongs to one thread of the team; seat 0 is the caller's.
struct Seat {
  Phase jobs;  // jobs this thread was called to
  // The next chunk of its share, in the low bits, and in the others the phase in which that holds: in a
  // later phase the share is untouched. So nobody has to set it back. At first a phase that never comes.
  alignas(kLine) std::atomic<uint64_t> claim{~uint64_t{0}};
};

constexpr int kChunkBits = 24;

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
    crowded_ = threads_ > cores_;
    body_ = body;
    context_ = context;
    members_.store(kUnknown, std::memory_order_relaxed);
    gate_.store(static_cast<uint64_t>(threads_) << kGateBits, std::memory_order_release);
    for (int thread = 1; thread < threads_; ++thread) seats_[static_cast<size_t>(thread)]->jobs.advance();
    take_part(0);
  }

 private:
  friend class Team;

  // Makes seats and threads for a team of `threads`; how many there can be.
  int grow(int threads) {
    while (static_cast<int>(seats_.size()) < threads) {
      auto seat = std::make_unique<Seat>();
      if (!seats_.empty()) {
        const BlockedSignals blocked;
        try {
          std::thread(&ThreadPool::work, this, seat.get(), static_cast<int>(seats_.size())).detach();
        } catch (const std::system_error&) {
          return static_cast<int>(seats_.size());  // the system has no more threads
        }
      }
      seats_.push_back(std::move(seat));
    }
    return threads;
  }

  void work(Seat* seat, int thread) {
    for (uint64_t job = 0;;) {
      seat->jobs.wait(job, crowded_);
      job = seat->jobs.value();
      if (join(thread)) take_part(thread);
    }
  }

  // Threads join a job while its caller is in the first step. One that comes later, because other programs have its
  // processor, is not waited for: the caller would stand still until it is scheduled, at every step.
  bool join(int thread) {
    uint64_t gate = gate_.load(std::memory_order_acquire);
    while (static_cast<uint64_t>(thread) < gate >> kGateBits) {
      if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acquire)) return true;
    }
    return false;
  }

  // From here on the caller and those who joined are the team.
  void close() {
    const uint64_t joined = gate_.exchange(0, std::memory_order_acquire) & ((uint64_t{1} << kGateBits) - 1);
    members_.store(1 + static_cast<int>(joined), std::memory_order_relaxed);
  }

  void take_part(int thread) {
    Team team(this, thread, threads_);
    body_(context_, team);
    team.barrier();
  }

  std::atomic<bool> busy_{false};
  const int cores_ = available_cores();
  std::vector<std::unique_ptr<Seat>> seats_;
  // The job, written before the threads are called to it.
  TeamBody body_ = nullptr;
  void* context_ = nullptr;
  int threads_ = 1;
  std::atomic<bool> crowded_{false};  // read by idle threads too
  // How many have joined the job, in the low bits, and above them how many threads may; 0 when it is closed.
  static constexpr int kGateBits = 32;
  alignas(kLine) std::atomic<uint64_t> gate_{0};
  static constexpr int kUnknown = -1;
  std::atomic<int> members_{kUnknown};  // of the team, once it is closed
  alignas(kLine) std::atomic<int> arrived_{0};
  Phase phase_;  // barriers passed
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

Team::Team(ThreadPool* pool, int thread, int threads)
    : pool_(pool), thread_(thread), threads_(threads), open_(pool && thread == 0) {
  if (pool_) phase_ = pool_->phase_.value();
}

int64_t Team::next(int64_t chunks) {
  if (!pool_) return cursor_ < chunks ? cursor_++ : chunks;
  const uint64_t phase = phase_ << kChunkBits;
  const uint64_t index_mask = (uint64_t{1} << kChunkBits) - 1;
  for (; victim_ < threads_; ++victim_) {
    const int owner = (thread_ + victim_) % threads_;
    const int64_t first = chunks * owner / threads_;
    const int64_t end = chunks * (owner + 1) / threads_;
    std::atomic<uint64_t>& claim = pool_->seats_[static_cast<size_t>(owner)]->claim;
    uint64_t current = claim.load(std::memory_order_relaxed);
    for (;;) {
      const bool untouched = (current & ~index_mask) != phase;
      const int64_t chunk = untouched ? first : static_cast<int64_t>(current & index_mask);
      if (chunk >= end) break;
      if (claim.compare_exchange_weak(current, phase | static_cast<uint64_t>(chunk + 1), std::memory_order_relaxed)) {
        return chunk;
      }
    }
  }
  return chunks;
}

void Team::barrier() {
  victim_ = 0;
  cursor_ = 0;
  if (!pool_) return;
  if (open_) pool_->close();
  open_ = false;
  // Whoever completes the team sees its size: the caller wrote it before it arrived here.
  const int arrived = pool_->arrived_.fetch_add(1, std::memory_order_acq_rel) + 1;
  if (arrived == pool_->members_.load(std::memory_order_relaxed)) {
    pool_->arrived_.store(0, std::memory_order_relaxed);
    pool_->phase_.advance();
  } else {
    pool_->phase_.wait(phase_, pool_->crowded_.load(std::memory_order_relaxed));
  }
  ++phase_;
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
  Team alone(nullptr, 0, 1);
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
