// One run at a time on an executable, whichever Python threads ask for it.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/thread_pool.h"

namespace ganglion {

class RunLock {
 public:
  // Whether this thread is inside a run: a progress callback is.
  bool mine() const { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  // With the GIL, which is given up while another thread runs.
  void lock() {
    if (forks_ != fork_count()) {
      // The thread that held the lock may not exist in this process.
      (void)mutex_.release();
      mutex_ = std::make_unique<std::mutex>();
      owner_ = std::thread::id();
      forks_ = fork_count();
    }
    if (mine())
      throw std::runtime_error(
          "[Executable] is running: it cannot be used from its progress callback, or from a function that it calls");
    if (!mutex_->try_lock()) {
      const pybind11::gil_scoped_release released;
      mutex_->lock();
    }
    owner_ = std::this_thread::get_id();
  }

  void unlock() {
    if (forks_ != fork_count()) return;  // the process was forked in a progress callback
    owner_ = std::thread::id();
    mutex_->unlock();
  }

 private:
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
  std::atomic<std::thread::id> owner_{};
  uint64_t forks_ = fork_count();
};

// Holds the lock without the GIL while it lives.
class Running {
 public:
  explicit Running(RunLock& lock) : lock_((lock.lock(), lock)) {}
  ~Running() { lock_.unlock(); }  // before the GIL comes back, so that another thread can go on
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  RunLock& lock_;
  pybind11::gil_scoped_release released_;
};

// The same of several, each of which is locked once, in their order.
class RunningAll {
 public:
  explicit RunningAll(const std::vector<RunLock*>& locks) {
    for (RunLock* lock : locks) held_.emplace_back(*lock);
    released_.emplace();
  }
  ~RunningAll() {
    held_.clear();
    released_.reset();
  }
  RunningAll(const RunningAll&) = delete;
  RunningAll& operator=(const RunningAll&) = delete;

 private:
  std::vector<std::unique_lock<RunLock>> held_;
  std::optional<pybind11::gil_scoped_release> released_;
};

// Waits for a run to end before its results are read; with the GIL. Its own progress callback reads them as they are.
class Reading {
 public:
  explicit Reading(RunLock& lock) : lock_(lock.mine() ? nullptr : &lock) {
    if (lock_) lock_->lock();
  }
  ~Reading() {
    if (lock_) lock_->unlock();
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

 private:
  RunLock* lock_;
};

}  // namespace ganglion
