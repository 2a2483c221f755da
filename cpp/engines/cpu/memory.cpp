#include "engines/cpu/memory.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace ganglion {

template <class T>
Memory<T>::Memory(const Program& program, const Buffers& buffers)
    : program_(program), buffers_(buffers), arena_(std::make_shared<Buffer<T>>()) {
  scalars_.resize(program.scalars.size());
  lent_.resize(program.values.size());
  announced_.resize(program.values.size());
}

template <class T>
void Memory<T>::reserve(int64_t rows) {
  for (const Value& value : program_.values) {
    check(!value.shape.batched || rows <= kMaxElements / value.shape.sample_size(), "[cpu] a batch of ", rows,
          " rows is too large for a value of shape ", to_string(value.shape));
  }
  // Nothing changes when there is not enough memory.
  MemoryPlan plan = plan_memory(program_, rows);
  auto arena = std::make_shared<Buffer<T>>(plan.arena);
  Buffer<T> constants(plan.constants);
  plan_ = std::move(plan);
  arena_ = std::move(arena);
  constants_ = std::move(constants);
  reserved_ = rows;
  local_samples_ = 0;
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
  if (T* const lent = lent_[static_cast<size_t>(place.owner)].where) return lent + place.within;
  if (place.is_local) return local_.data() + place.offset * local_samples_ + place.within;
  T* start = arena_->data();
  if (place.storage == Storage::parameter) start = static_cast<T*>(buffers_.parameters);
  if (place.storage == Storage::state) start = static_cast<T*>(buffers_.states);
  if (place.storage == Storage::scalar) start = scalars_.data();
  if (place.storage == Storage::constant) start = constants_.data();
  return start + place.offset + place.within;
}

template <class T>
std::shared_ptr<const void> Memory<T>::keeper(int value) const {
  const Place& place = plan_.places[static_cast<size_t>(value)];
  const bool outside = lent_[static_cast<size_t>(place.owner)].where || place.is_local;
  const bool in_arena = place.storage == Storage::arena || place.storage == Storage::input;
  if (outside || !in_arena) return nullptr;
  return arena_;
}

template <class T>
bool Memory<T>::require_local(int64_t samples, int threads) {
  samples = padded_size(samples);  // so that every value is aligned
  if (samples <= local_samples_ && threads <= local_threads_) return false;
  samples = std::max(samples, local_samples_);
  threads = std::max(threads, local_threads_);
  local_ = Buffer<T>(threads * plan_.local * samples);
  local_samples_ = samples;
  local_threads_ = threads;
  local_size_ = plan_.local * samples;
  return true;
}

template <class T>
void Memory<T>::require_scratch(int64_t size) {
  if (size > thread_size_) allocate_threads(thread_count_, padded_size(size));
}

template <class T>
void Memory<T>::require_threads(int threads) {
  if (threads > thread_count_) allocate_threads(threads, thread_size_);
}

template <class T>
void Memory<T>::allocate_threads(int threads, int64_t size) {
  threads_ = Buffer<T>(threads * size);
  thread_count_ = threads;
  thread_size_ = size;
}

template class Memory<float>;
template class Memory<double>;

}  // namespace ganglion
