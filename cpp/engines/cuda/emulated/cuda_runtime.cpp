#include <cuda_runtime.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

namespace emulated {

dim3 thread_index, block_index, block_size, grid_size;

namespace {

constexpr size_t kStackBytes = 256 << 10;
constexpr int kWarp = 32;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "emulated CUDA: %s\n", what);
  std::abort();
}

std::string setting(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

// A place where threads meet: those of a block, or of a warp.
struct Meeting {
  int arrived = 0;
  uint64_t turn = 0;
};

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  bool is_waiting = false;
  dim3 thread;
};

// The block that runs now. A fiber runs one thread after the other as long as none waits, so that kernels without
// barriers need a single one.
struct Block {
  const Work* kernel = nullptr;
  int threads = 0, started = 0, finished = 0;
  bool reversed = false;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber*> idle;
  Fiber* current = nullptr;
  ucontext_t scheduler;
  Meeting all;
  std::vector<Meeting> warps;
  std::vector<uint64_t> exchanged;
  uint64_t progress = 0;
} block;

int thread_number() {
  return static_cast<int>((thread_index.z * block_size.y + thread_index.y) * block_size.x + thread_index.x);
}

void run_threads() {
  for (;;) {
    while (block.started < block.threads) {
      const unsigned number = static_cast<unsigned>(block.reversed ? block.threads - 1 - block.started : block.started);
      ++block.started;
      thread_index = {number % block_size.x, number / block_size.x % block_size.y,
                      number / block_size.x / block_size.y};
      (*block.kernel)();
      ++block.finished;
      ++block.progress;
    }
    Fiber* const mine = block.current;
    block.idle.push_back(mine);
    swapcontext(&mine->context, &block.scheduler);
  }
}

void yield() {
  Fiber* const mine = block.current;
  mine->thread = thread_index;
  mine->is_waiting = true;
  swapcontext(&mine->context, &block.scheduler);
  mine->is_waiting = false;
  thread_index = mine->thread;
}

void meet(Meeting& meeting, int expected) {
  if (++meeting.arrived == expected) {
    meeting.arrived = 0;
    ++meeting.turn;
    ++block.progress;
    return;
  }
  for (const uint64_t turn = meeting.turn; turn == meeting.turn;) yield();
}

void resume(Fiber* fiber) {
  block.current = fiber;
  swapcontext(&block.scheduler, &fiber->context);
}

Fiber* new_fiber() {
  block.fibers.push_back(std::make_unique<Fiber>());
  Fiber* const made = block.fibers.back().get();
  getcontext(&made->context);
  made->context.uc_stack.ss_sp = made->stack.get();
  made->context.uc_stack.ss_size = kStackBytes;
  made->context.uc_link = nullptr;
  makecontext(&made->context, run_threads, 0);
  return made;
}

Fiber* idle_fiber() {
  if (block.idle.empty()) return new_fiber();
  Fiber* const fiber = block.idle.back();
  block.idle.pop_back();
  return fiber;
}

void run_block() {
  block.started = block.finished = 0;
  block.all = {};
  block.warps.assign(static_cast<size_t>((block.threads + kWarp - 1) / kWarp), {});
  block.exchanged.assign(static_cast<size_t>(block.threads), 0);
  while (block.finished < block.threads) {
    const uint64_t before = block.progress;
    if (block.started < block.threads) {
      resume(idle_fiber());
      ++block.progress;
      continue;
    }
    for (size_t i = 0; i < block.fibers.size(); ++i) {
      if (block.fibers[i]->is_waiting) resume(block.fibers[i].get());
    }
    if (block.progress == before) fail("threads of a block wait at different barriers");
  }
}

// Memory of the device: pages that nobody may touch while no stream runs.
struct Allocation {
  char* pages;
  size_t bytes;
};
std::map<void*, Allocation>& allocations() {
  static std::map<void*, Allocation> all;
  return all;
}

void open_memory(bool open) {
  for (const auto& [memory, allocation] : allocations()) {
    mprotect(allocation.pages, allocation.bytes, open ? PROT_READ | PROT_WRITE : PROT_NONE);
  }
}

// GANGLION_EMULATED_FAILURE: "no device", "old driver", "memory 1000" (bytes that can be had at once), "lost 5" (the
// fifth time that somebody waits).
int64_t failure(const std::string& kind) {
  const std::string set = setting("GANGLION_EMULATED_FAILURE");
  return set.rfind(kind + " ", 0) == 0 ? std::atoll(set.c_str() + kind.size()) : -1;
}
int64_t waits = 0;

}  // namespace

void run_grid(dim3 grid, dim3 threads, const Work& kernel) {
  block.kernel = &kernel;
  block_size = threads;
  grid_size = grid;
  block.threads = static_cast<int>(threads.x * threads.y * threads.z);
  block.reversed = setting("GANGLION_EMULATED_ORDER") == "reversed";
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  if (block.threads < 1 || block.threads > 1024 || blocks < 1) fail("a kernel cannot have so many threads or blocks");
  for (uint64_t i = 0; i < blocks; ++i) {
    const uint64_t number = block.reversed ? blocks - 1 - i : i;
    block_index = {static_cast<unsigned>(number % grid.x), static_cast<unsigned>(number / grid.x % grid.y),
                   static_cast<unsigned>(number / grid.x / grid.y)};
    run_block();
  }
}

void wait_for_block() { meet(block.all, block.threads); }

int lane_of_thread() { return thread_number() % kWarp; }

uint64_t exchange(uint64_t mine, int lane) {
  const int thread = thread_number(), first = thread / kWarp * kWarp;
  Meeting& warp = block.warps[static_cast<size_t>(thread / kWarp)];
  if (block.threads - first < kWarp) fail("a warp that exchanges must be whole");
  block.exchanged[static_cast<size_t>(thread)] = mine;
  meet(warp, kWarp);
  const uint64_t other = block.exchanged[static_cast<size_t>(first + lane)];
  meet(warp, kWarp);
  return other;
}

cudaError_t enqueue(Stream* stream, Work work) {
  (stream->captures ? stream->captured : stream->waiting).push_back(std::move(work));
  return cudaSuccess;
}

}  // namespace emulated

using emulated::enqueue;

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    default:
      return "operation failed";
  }
}

cudaError_t cudaGetDeviceCount(int* count) {
  const std::string set = emulated::setting("GANGLION_EMULATED_FAILURE");
  *count = set == "no device" || set == "old driver" ? 0 : 1;
  return set == "old driver" ? cudaErrorInsufficientDriver : *count ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::strcpy(properties->name, "emulated");
  properties->major = 9;
  properties->minor = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new emulated::Stream;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream->captures) return cudaErrorStreamCaptureUnsupported;
  if (++emulated::waits == emulated::failure("lost")) {
    stream->waiting.clear();
    return cudaErrorLaunchFailure;
  }
  emulated::open_memory(true);
  for (const emulated::Work& work : stream->waiting) work();
  emulated::open_memory(false);
  stream->waiting.clear();
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  const int64_t most = emulated::failure("memory");
  if (most >= 0 && bytes > static_cast<size_t>(most)) return cudaErrorMemoryAllocation;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t whole = (bytes + page - 1) / page * page, aligned = (bytes + 255) / 256 * 256;
  void* const pages = mmap(nullptr, whole + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return cudaErrorMemoryAllocation;
  mprotect(pages, whole, PROT_READ | PROT_WRITE);
  std::memset(pages, 0xFF, whole);
  mprotect(pages, whole, PROT_NONE);
  *memory = static_cast<char*>(pages) + (whole - aligned);
  emulated::allocations()[*memory] = {static_cast<char*>(pages), whole};
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const int64_t most = emulated::failure("memory");
  *free = *total = most >= 0 ? static_cast<size_t>(most) : size_t{1} << 30;
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  const auto found = emulated::allocations().find(memory);
  if (found == emulated::allocations().end()) emulated::fail("freed what was not allocated");
  munmap(found->second.pages, found->second.bytes + static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  emulated::allocations().erase(found);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  *memory = std::malloc(std::max<size_t>(bytes, 1));
  return *memory ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return enqueue(stream, [=] { std::memmove(to, from, bytes); });
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  return enqueue(stream, [=] { std::memset(memory, value, bytes); });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  stream->captures = true;
  stream->captured.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  stream->captures = false;
  *graph = new std::vector<emulated::Work>(std::move(stream->captured));
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new std::vector<emulated::Work>(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const emulated::Work& work : *executable) enqueue(stream, work);
  return cudaSuccess;
}

namespace {

// Exact at halves and whole numbers, as CUDA's are.
long double sine_of_pi(long double x) {
  const long double within = x - 2 * std::floor(x / 2);
  if (within == 0 || within == 1) return 0 * x;
  if (within > 1) return -sine_of_pi(within - 1);
  return std::sin((within > 0.5L ? 1 - within : within) * 3.14159265358979323846264L);
}

}  // namespace

double sinpi(double x) { return static_cast<double>(sine_of_pi(x)); }
double cospi(double x) {
  const long double within = std::fabs(x) - 2 * std::floor(std::fabs(x) / 2);
  return static_cast<double>(sine_of_pi(within + 0.5L));
}
float sinpif(float x) { return static_cast<float>(sinpi(static_cast<double>(x))); }
float cospif(float x) { return static_cast<float>(cospi(static_cast<double>(x))); }
