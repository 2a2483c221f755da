#include "engines/cuda/device.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>

#include "core/error.h"

namespace ganglion::cuda {

namespace {

constexpr int kOldestMajor = 7, kOldestMinor = 5;

std::atomic<int64_t> kernels{0};

}  // namespace

void check_cuda(cudaError_t error, const char* doing) {
  if (error == cudaSuccess) return;
  const std::string text = concatenate("[cuda] the device failed while ", doing, ": ", cudaGetErrorString(error));
  if (error == cudaErrorMemoryAllocation) throw OutOfMemory(text);
  throw std::runtime_error(text);
}

int64_t count_kernels() { return kernels.load(); }
void count_kernel() { ++kernels; }

std::string Device::missing() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver) return "[cuda] NVIDIA's driver is missing, or too old for this build";
  if (error != cudaSuccess) return concatenate("[cuda] ", cudaGetErrorString(error));
  if (count == 0) return "[cuda] there is no device";
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, 0) != cudaSuccess) return "[cuda] the device cannot be asked what it is";
  if (std::pair(properties.major, properties.minor) < std::pair(kOldestMajor, kOldestMinor)) {
    return concatenate("[cuda] ", static_cast<const char*>(properties.name), " has compute capability ",
                       properties.major, ".", properties.minor, ", expected at least ", kOldestMajor, ".",
                       kOldestMinor);
  }
  return "";
}

Device::Device() : process_(getpid()) {
  const std::string reason = missing();
  if (!reason.empty()) throw std::runtime_error(reason);
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
}

Device& Device::get() {
  static Device* const device = new Device;  // never freed: the driver may be gone when statics are
  if (device->process_ != getpid()) {
    throw std::runtime_error(
        "[cuda] the device was used before this process was forked: start processes with 'spawn', or use it in the "
        "new ones alone");
  }
  return *device;
}

void Device::wait() { check_cuda(cudaStreamSynchronize(stream_), "computing"); }

void* allocate(int64_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, static_cast<size_t>(bytes));
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it is told here, not by the next call
    throw OutOfMemory(concatenate("[cuda] the device has no ", bytes,
                                  " bytes of memory left: use a smaller batch_size, "
                                  "or device='cpu'"));
  }
  check_cuda(error, "allocating memory");
  return memory;
}

void release(void* memory) noexcept {
  if (memory) cudaFree(memory);
}

void* allocate_pinned(int64_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  check_cuda(cudaMallocHost(&memory, static_cast<size_t>(bytes)), "allocating memory of the host");
  return memory;
}

void release_pinned(void* memory) noexcept {
  if (memory) cudaFreeHost(memory);
}

std::shared_ptr<Mirror> Mirror::of(void* host, int64_t bytes) {
  static std::map<void*, std::weak_ptr<Mirror>> known;
  const std::lock_guard<std::recursive_mutex> lock(Device::get().mutex());
  for (auto entry = known.begin(); entry != known.end();) {
    entry = entry->second.expired() ? known.erase(entry) : std::next(entry);
  }
  std::weak_ptr<Mirror>& found = known[host];
  std::shared_ptr<Mirror> mirror = found.lock();
  if (!mirror) found = mirror = std::make_shared<Mirror>(host, bytes);
  return mirror;
}

Mirror::Mirror(void* host, int64_t bytes) : host_(host), device_(bytes) {}

void Mirror::begin() {
  Device& device = Device::get();
  const std::lock_guard<std::recursive_mutex> lock(device.mutex());
  if (users_ == 0) {
    check_cuda(
        cudaMemcpyAsync(data(), host_, static_cast<size_t>(device_.size()), cudaMemcpyHostToDevice, device.stream()),
        "copying weights to it");
    device.wait();
  }
  ++users_;
}

void Mirror::end(bool written) {
  Device& device = Device::get();
  const std::lock_guard<std::recursive_mutex> lock(device.mutex());
  is_written_ = is_written_ || written;
  if (--users_ > 0 || !is_written_) return;
  is_written_ = false;
  check_cuda(
      cudaMemcpyAsync(host_, data(), static_cast<size_t>(device_.size()), cudaMemcpyDeviceToHost, device.stream()),
      "copying weights from it");
  device.wait();
}

}  // namespace ganglion::cuda
