// Memory of its own, aligned for vectors.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "core/shape.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ganglion {

constexpr size_t kBufferAlignment = 64;

// `size` elements of a plain type, zero at first.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t size) : size_(size) {
    if (size == 0) return;
    if (size < 0 || size > kMaxElements) throw std::bad_alloc();
    const size_t bytes = static_cast<size_t>(size) * sizeof(T);
    alignment_ = bytes >= kHugePage ? kHugePage : kBufferAlignment;
    data_ = static_cast<T*>(::operator new(bytes, std::align_val_t(alignment_)));
#if defined(__linux__)
    // A pass over tens of megabytes of weights would otherwise spend a part of its time on page tables.
    if (bytes >= kHugePage) madvise(data_, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
    std::fill_n(data_, size, T{});
  }
  ~Buffer() {
    if (data_) ::operator delete(data_, std::align_val_t(alignment_));
  }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }

  // Room for `size` elements; what it holds is lost only where that is another size than before.
  void require(int64_t size) {
    if (size != size_) *this = Buffer(size);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  int64_t size() const { return size_; }
  T& operator[](int64_t index) { return data_[index]; }
  const T& operator[](int64_t index) const { return data_[index]; }

 private:
  static constexpr size_t kHugePage = size_t{2} << 20;

  void swap(Buffer& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(alignment_, other.alignment_);
  }

  T* data_ = nullptr;
  int64_t size_ = 0;
  size_t alignment_ = kBufferAlignment;
};

}  // namespace ganglion
