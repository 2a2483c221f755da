#include "engines/cuda/memory.h"

#include <algorithm>

#include "core/error.h"

namespace ganglion::cuda {

template <class T>
Memory<T>::Memory(const Program& program, const Buffers& buffers)
    : program_(program), scalars_(static_cast<int64_t>(program.scalars.size())), lent_(program.values.size()) {
  constexpr int64_t item = sizeof(T);
  if (buffers.parameters) parameters_ = Mirror::of(buffers.parameters, buffers.parameter_count * item);
  if (buffers.states) states_ = Mirror::of(buffers.states, buffers.state_count * item);
}

template <class T>
void Memory<T>::reserve(int64_t rows) {
  for (const Value& value : program_.values) {
    check(!value.shape.batched || rows <= kMaxElements / value.shape.sample_size(), "[cuda] a batch of ", rows,
          " rows is too large for a value of shape ", to_string(value.shape));
  }
  // Nothing changes when there is not enough memory, but that what was there is given back first.
  MemoryPlan plan = plan_memory(program_, rows);
  const int64_t samples = padded_size(rows);
  reserved_ = 0;
  arena_ = DeviceBuffer<T>();
  local_ = DeviceBuffer<T>();
  arena_ = DeviceBuffer<T>(plan.arena);
  local_ = DeviceBuffer<T>(plan.local * samples);
  constants_ = DeviceBuffer<T>(plan.constants);
  plan_ = std::move(plan);
  local_samples_ = samples;
  PinnedBuffer<T> numbers(plan_.constants);
  std::fill_n(numbers.data(), plan_.constants, T{0});
  for (size_t id = 0; id < program_.values.size(); ++id) {
    const Value& value = program_.values[id];
    if (value.storage != Storage::constant) continue;
    const std::vector<double>& given = program_.constants[static_cast<size_t>(value.offset)];
    std::transform(given.begin(), given.end(), numbers.data() + plan_.places[id].offset,
                   [](double x) { return static_cast<T>(x); });
  }
  Device& device = Device::get();
  if (plan_.constants > 0) {
    check_cuda(cudaMemcpyAsync(constants_.data(), numbers.data(), static_cast<size_t>(plan_.constants) * sizeof(T),
                               cudaMemcpyHostToDevice, device.stream()),
               "copying constants to it");
    device.wait();
  }
  reserved_ = rows;
}

template <class T>
T* Memory<T>::at(int value) const {
  const Place& place = plan_.places[static_cast<size_t>(value)];
  if (T* const lent = lent_[static_cast<size_t>(place.owner)]) return lent + place.within;
  if (place.is_local) return local_.data() + place.offset * local_samples_ + place.within;
  T* start = arena_.data();
  if (place.storage == Storage::parameter) start = static_cast<T*>(parameters_->data());
  if (place.storage == Storage::state) start = static_cast<T*>(states_->data());
  if (place.storage == Storage::scalar) start = scalars_.data();
  if (place.storage == Storage::constant) start = constants_.data();
  return start + place.offset + place.within;
}

template <class T>
int64_t Memory<T>::sample_stride(int value) const {
  const Place& place = plan_.places[static_cast<size_t>(value)];
  return place.apart ? program_.shape(place.owner).sample_size() : 0;
}

template class Memory<float>;
template class Memory<double>;

}  // namespace ganglion::cuda
