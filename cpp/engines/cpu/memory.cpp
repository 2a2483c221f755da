#include "engines/cpu/memory.h"

#include <algorithm>

namespace ganglion {

template <class T>
Memory<T>::Memory(const Program& program, const Buffers& buffers) : program_(program), buffers_(buffers) {
  scalars_.resize(program.scalars.size());
}

template <class T>
void Memory<T>::reserve(int64_t rows) {
  plan_ = plan_memory(program_, rows);
  reserved_ = rows;
  arena_ = Buffer<T>(plan_.arena);
  constants_ = Buffer<T>(plan_.constants);
  for (size_t id = 0; id < program_.values.size(); ++id) {
    const Value& value = program_.values[id];
    if (value.storage != Storage::constant) continue;
    const std::vector<double>& numbers = program_.constants[static_cast<size_t>(value.offset)];
    std::transform(numbers.begin(), numbers.end(), at(static_cast<int>(id)),
                   [](double x) { return static_cast<T>(x); });
  }
}

template <class T>
T* Memory<T>::at(int value) {
  const Place& place = plan_.places[static_cast<size_t>(value)];
  switch (place.storage) {
    case Storage::parameter:
      return static_cast<T*>(buffers_.parameters) + place.offset;
    case Storage::state:
      return static_cast<T*>(buffers_.states) + place.offset;
    case Storage::scalar:
      return scalars_.data() + place.offset;
    case Storage::constant:
      return constants_.data() + place.offset;
    case Storage::arena:
    case Storage::input:
      break;
  }
  return arena_.data() + place.offset;
}

template <class T>
void Memory<T>::require_scratch(int64_t shared, int64_t per_thread) {
  if (shared > shared_size_) {
    shared_size_ = padded_size(shared);
    shared_ = Buffer<T>(shared_size_);
  }
  if (per_thread > thread_size_) {
    thread_size_ = padded_size(per_thread);
    threads_ = Buffer<T>(thread_size_ * thread_count_);
  }
}

template <class T>
void Memory<T>::require_threads(int threads) {
  if (threads <= thread_count_) return;
  thread_count_ = threads;
  threads_ = Buffer<T>(thread_size_ * thread_count_);
}

template class Memory<float>;
template class Memory<double>;

}  // namespace ganglion
