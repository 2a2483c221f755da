// Where threads run. A scheduler may put a thread that wakes onto the processor of the one that woke it and leave it
// waiting there for tens of milliseconds, another processor idle. Linux lets us say otherwise; elsewhere nothing is
// done.
#pragma once

#include <atomic>

namespace ganglion {

class Placement {
 public:
  // The thread this belongs to: once, and each time it begins to work.
  void enter();
  void arrive();

  // One thread that waits for it in vain: moves it to another processor if it last ran on the caller's; now and then
  // without knowing, since it may have been moved there while it waited.
  void give_way();

 private:
  std::atomic<int> thread_{0};      // the system's number of it
  std::atomic<int> processor_{-1};  // where it last began to work
  int in_vain_ = 0;                 // times it was waited for
};

}  // namespace ganglion
