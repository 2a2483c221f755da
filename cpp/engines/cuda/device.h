// The device, and memory on it. One stream takes the work of all executables, in the order in which it is given.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "engines/cuda/runtime.h"

namespace ganglion::cuda {

class Device {
 public:
  // Raises where there is none, and in a process that was forked after the first use.
  static Device& get();
  // Why there is none that can be used; empty where there is.
  static std::string missing();

  cudaStream_t stream() const { return stream_; }
  // Held while work is given to the stream and waited for.
  std::recursive_mutex& mutex() { return mutex_; }
  void wait();

 private:
  Device();
  cudaStream_t stream_ = nullptr;
  pid_t process_;
  std::recursive_mutex mutex_;
};

void* allocate(int64_t bytes);
void release(void* memory) noexcept;
void* allocate_pinned(int64_t bytes);  // on the host, where copies find it without detours
void release_pinned(void* memory) noexcept;

// Elements of a plain type on the device.
template <class T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(int64_t size) : data_(static_cast<T*>(allocate(size * int64_t{sizeof(T)}))), size_(size) {}
  ~DeviceBuffer() { release(data_); }
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    swap(other);
    return *this;
  }

  // Room for as many; what it holds is lost where that is more than before. Whether it has moved.
  bool require(int64_t size) {
    if (size <= size_) return false;
    *this = DeviceBuffer();
    *this = DeviceBuffer(size);
    return true;
  }
  T* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  void swap(DeviceBuffer& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  T* data_ = nullptr;
  int64_t size_ = 0;
};

template <class T>
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(int64_t size)
      : data_(static_cast<T*>(allocate_pinned(size * int64_t{sizeof(T)}))), size_(size) {}
  ~PinnedBuffer() { release_pinned(data_); }
  PinnedBuffer(PinnedBuffer&& other) noexcept { swap(other); }
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }

  bool require(int64_t size) {
    if (size <= size_) return false;
    *this = PinnedBuffer();
    *this = PinnedBuffer(size);
    return true;
  }
  T* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  void swap(PinnedBuffer& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  T* data_ = nullptr;
  int64_t size_ = 0;
};

// A flat buffer of the host, and the same on the device between `begin` and `end`. All executables over one buffer
// share its mirror.
class Mirror {
 public:
  static std::shared_ptr<Mirror> of(void* host, int64_t bytes);
  Mirror(void* host, int64_t bytes);

  void* data() const { return device_.data(); }
  // The first to begin copies the buffer to the device, the last to end copies it back if any of them writes.
  void begin();
  void end(bool written);

 private:
  void* host_;
  DeviceBuffer<char> device_;
  int users_ = 0;
  bool is_written_ = false;
};

}  // namespace ganglion::cuda
