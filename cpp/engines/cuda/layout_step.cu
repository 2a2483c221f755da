// Elements that only move: transpose, slice, flip, as_batch, from_batch, concat, pad, roll, pack.
#include <string>

#include "core/error.h"
#include "engines/cuda/step.h"
#include "engines/cuda/view.h"

namespace ganglion::cuda {

namespace {

constexpr int64_t kMostBlocks = 8192;

// The result in its flat order, read through a view.
template <class T>
__global__ void __launch_bounds__(kThreads)
    copy_kernel(T* out, const __grid_constant__ View<T, kMaxRank> from, int64_t elements) {
  for (int64_t at = thread_of_grid(); at < elements; at += threads_of_grid()) out[at] = from.data[from.offset(at)];
}

int64_t blocks_for(int64_t elements) { return std::min(divide_up(elements, kThreads), kMostBlocks); }

template <class T>
class StridedCopyStep : public Step<T> {
 public:
  explicit StridedCopyStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t rows) override {
    const Shape& from = source_.shape(source_.input(0));
    const Shape& to = source_.shape(source_.output());
    const size_t rank = static_cast<size_t>(from.rank());
    const std::string& kind = source_.operation.kind;
    check(from.batched == to.batched || from.extent(0, rows) == to.extent(0, rows), "[", kind, "] the batch must have ",
          (from.batched ? to : from).dims[0], " samples, got ", rows);
    std::vector<int64_t> from_strides(rank, 1), extents, strides;
    for (size_t axis = rank; axis-- > 1;) {
      from_strides[axis - 1] = from_strides[axis] * from.extent(static_cast<int>(axis), rows);
    }
    int64_t start = 0;
    for (size_t axis = 0; axis < rank; ++axis) extents.push_back(to.extent(static_cast<int>(axis), rows));
    if (kind == "transpose") {
      for (int64_t axis : attribute_list(source_.operation, "permutation")) {
        strides.push_back(from_strides[static_cast<size_t>(axis)]);
      }
    } else if (strides = from_strides; kind == "flip") {
      const size_t axis = static_cast<size_t>(attribute_int(source_.operation, "axis"));
      start = (extents[axis] - 1) * strides[axis];
      strides[axis] = -strides[axis];
    } else if (kind == "slice") {
      start = attribute_int(source_.operation, "start") *
              from_strides[static_cast<size_t>(attribute_int(source_.operation, "axis"))];
    }
    if (const int64_t apart = source_.memory.sample_stride(source_.input(0)); apart > 0) strides[0] = apart;
    view_ = make_view<T, kMaxRank>(source_.at(source_.input(0)) + start, extents, strides);
    // A slice may be read where it stands.
    elements_ = view_.data == source_.at(source_.output()) ? 0 : to.size(rows);
  }
  void enqueue(cudaStream_t stream) override {
    launch(stream, blocks_for(elements_), kThreads, copy_kernel<T>, source_.at(source_.output()), view_, elements_);
  }

 private:
  StepSource<T> source_;
  View<T, kMaxRank> view_{};
  int64_t elements_ = 0;
};

// `width` elements of each row of a part, which are so many elements apart within a sample and between samples; zeros
// where there is no part.
template <class T>
struct Join {
  T* out;
  int64_t out_width;
  const T* from;
  int64_t width, sample_stride, rows_of_sample, elements;
};

template <class T>
__global__ void __launch_bounds__(kThreads) join_kernel(const __grid_constant__ Join<T> join) {
  for (int64_t at = thread_of_grid(); at < join.elements; at += threads_of_grid()) {
    const int64_t row = at / join.width, column = at % join.width;
    T value = 0;
    if (join.from) {
      value =
          join.from[row / join.rows_of_sample * join.sample_stride + row % join.rows_of_sample * join.width + column];
    }
    join.out[row * join.out_width + column] = value;
  }
}

// concat and pad: rows of the parts, laid side by side.
template <class T>
class JoinStep : public Step<T> {
 public:
  explicit JoinStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t rows) override {
    const Operation& operation = source_.operation;
    const int axis = static_cast<int>(attribute_int(operation, "axis"));
    const Shape& shape = source_.shape(source_.output());
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < shape.rank(); ++i) {
      if (i < axis) outer *= shape.extent(i, rows);
      if (i > axis) inner *= shape.extent(i, rows);
    }
    const int64_t out_width = shape.extent(axis, rows) * inner;
    const int64_t rows_of_sample = std::max<int64_t>(outer / rows, 1);  // 0 without a batch
    T* place = source_.at(source_.output());
    joins_.clear();
    const auto add = [&](const T* from, int64_t width, int64_t sample_stride) {
      // What was computed in its place stays.
      if (width > 0 && from != place) {
        joins_.push_back({place, out_width, from, width, sample_stride, rows_of_sample, outer * width});
      }
      place += width;
    };
    const bool pad = operation.kind == "pad";
    if (pad) add(nullptr, attribute_int(operation, "before") * inner, 0);
    for (int value : operation.inputs) {
      const int64_t width = source_.shape(value).extent(axis, rows) * inner;
      const int64_t apart = source_.memory.sample_stride(value);
      add(source_.at(value), width, apart > 0 ? apart : width * rows_of_sample);
    }
    if (pad) add(nullptr, attribute_int(operation, "after") * inner, 0);
  }
  void enqueue(cudaStream_t stream) override {
    for (const Join<T>& join : joins_) launch(stream, blocks_for(join.elements), kThreads, join_kernel<T>, join);
  }

 private:
  StepSource<T> source_;
  std::vector<Join<T>> joins_;
};

// roll: sample i goes to the place of sample i + shift, and from the end to the start.
template <class T>
__global__ void __launch_bounds__(kThreads) roll_kernel(T* out, const T* from, int64_t shift, int64_t elements) {
  for (int64_t at = thread_of_grid(); at < elements; at += threads_of_grid()) {
    out[at] = from[at < shift ? at - shift + elements : at - shift];
  }
}

template <class T>
class RollStep : public Step<T> {
 public:
  explicit RollStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t rows) override {
    const int64_t sample = source_.shape(source_.output()).sample_size();
    const int64_t shift = attribute_int(source_.operation, "shift") % rows;
    shift_ = (shift < 0 ? shift + rows : shift) * sample;
    elements_ = rows * sample;
  }
  void enqueue(cudaStream_t stream) override {
    launch(stream, blocks_for(elements_), kThreads, roll_kernel<T>, source_.at(source_.output()),
           source_.at(source_.input(0)), shift_, elements_);
  }

 private:
  StepSource<T> source_;
  int64_t shift_ = 0, elements_ = 0;
};

// Some parts of a pack: a block for so many elements of one, with the zeros behind it.
constexpr int kPartsOfLaunch = 64;
template <class T>
struct Parts {
  int32_t count;
  const T* from[kPartsOfLaunch];
  T* to[kPartsOfLaunch];
  int64_t size[kPartsOfLaunch], padded[kPartsOfLaunch];
};

// Grid-stride over the padded lengths of the parts, one part after the other.
template <class T>
__global__ void __launch_bounds__(kThreads) pack_kernel(const __grid_constant__ Parts<T> parts) {
  for (int part = 0; part < parts.count; ++part) {
    const bool is_in_place = parts.from[part] == parts.to[part];
    const int64_t begin = is_in_place ? parts.size[part] : 0;  // then only the zeros
    for (int64_t at = begin + thread_of_grid(); at < parts.padded[part]; at += threads_of_grid()) {
      parts.to[part][at] = at < parts.size[part] ? parts.from[part][at] : T{0};
    }
  }
}

// pack: most parts were computed in place; zeros stand between them.
template <class T>
class PackStep : public Step<T> {
 public:
  explicit PackStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t) override {
    all_.clear();
    moved_ = 0;
    T* to = source_.at(source_.output());
    for (int value : source_.operation.inputs) {
      const int64_t size = source_.shape(value).sample_size(), padded = padded_size(size);
      const T* const from = source_.at(value);
      if (from != to || padded > size) {
        if (all_.empty() || all_.back().count == kPartsOfLaunch) all_.push_back({});
        Parts<T>& parts = all_.back();
        const int i = parts.count++;
        parts.from[i] = from;
        parts.to[i] = to;
        parts.size[i] = size;
        parts.padded[i] = padded;
        if (from != to) moved_ = std::max(moved_, padded);
      }
      to += padded;
    }
  }
  void enqueue(cudaStream_t stream) override {
    for (const Parts<T>& parts : all_) {
      launch(stream, std::max<int64_t>(1, blocks_for(moved_)), kThreads, pack_kernel<T>, parts);
    }
  }

 private:
  StepSource<T> source_;
  std::vector<Parts<T>> all_;
  int64_t moved_ = 0;  // elements of the longest part that is copied
};

}  // namespace

template <class T>
StepPointer<T> make_layout_step(const StepSource<T>& source) {
  const std::string& kind = source.operation.kind;
  if (kind == "roll") return std::make_unique<RollStep<T>>(source);
  if (kind == "pack") return std::make_unique<PackStep<T>>(source);
  if (kind == "concat" || kind == "pad") return std::make_unique<JoinStep<T>>(source);
  return std::make_unique<StridedCopyStep<T>>(source);
}

template StepPointer<float> make_layout_step(const StepSource<float>&);
template StepPointer<double> make_layout_step(const StepSource<double>&);

}  // namespace ganglion::cuda
