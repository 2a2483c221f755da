#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "core/error.h"
#include "engines/cpu/step.h"
#include "engines/cpu/strided_view.h"

namespace ganglion {

namespace {

// transpose, slice, flip, as_batch and from_batch: the output read through strides of the input.
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
    view_ = StridedView(extents, strides);
    from_ = source_.at(source_.input(0)) + start;
    elements_ = from_ == source_.at(source_.output()) ? 0 : to.size(rows);  // 0: it is read where it stands
    sample_ = elements_ / rows;
  }
  int64_t chunks(int) const override { return chunk_count(elements_, kChunkElements); }
  void run(int, int64_t chunk, int, const RunKey&) override {
    const int64_t begin = chunk * kChunkElements;
    copy(begin, std::min(begin + kChunkElements, elements_), {});
  }
  void run_range(const Range& range, const RunKey&) override {
    copy(range.begin * sample_, range.end * sample_, range);
  }

 private:
  void copy(int64_t begin, int64_t end, const Range& range) {
    const T* const from = from_ + source_.shift(source_.input(0), range);
    T* const to = source_.at(source_.output()) + source_.shift(source_.output(), range);
    view_.read(to + begin, from, begin, end - begin);
  }
  StepSource<T> source_;
  StridedView view_{{}, {}};
  const T* from_ = nullptr;
  int64_t elements_ = 0, sample_ = 0;
};

// concat and pad: rows of the parts, laid side by side; a part without memory is zeros.
template <class T>
class JoinStep : public Step<T> {
 public:
  explicit JoinStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t rows) override {
    const Operation& operation = source_.operation;
    const int axis = static_cast<int>(attribute_int(operation, "axis"));
    const Shape& shape = source_.shape(source_.output());
    outer_ = 1;
    int64_t inner = 1;
    for (int i = 0; i < shape.rank(); ++i) {
      if (i < axis) outer_ *= shape.extent(i, rows);
      if (i > axis) inner *= shape.extent(i, rows);
    }
    width_ = shape.extent(axis, rows) * inner;
    parts_.clear();
    const bool pad = operation.kind == "pad";
    if (pad) parts_.push_back({nullptr, attribute_int(operation, "before") * inner, 0, 0});
    // What was computed in its place stays; what stands as part of a larger value has its samples apart.
    const T* place = source_.at(source_.output());
    bool moves = pad;
    rows_of_sample_ = std::max<int64_t>(outer_ / rows, 1);  // 0 without a batch
    for (int value : operation.inputs) {
      const int64_t width = source_.shape(value).extent(axis, rows) * inner;
      const int64_t apart = source_.memory.sample_stride(value);
      const bool in_place = source_.at(value) == place;
      parts_.push_back(
          {source_.at(value), width, apart > 0 ? apart : width * rows_of_sample_, source_.memory.local_sample(value)});
      place += width;
      moves = moves || !in_place;
    }
    if (!moves) outer_ = 0;
    if (pad) parts_.push_back({nullptr, attribute_int(operation, "after") * inner, 0, 0});
    sample_ = outer_ / rows;
    rows_per_chunk_ = std::max<int64_t>(1, kChunkElements / width_);
  }
  int64_t chunks(int) const override { return chunk_count(outer_, rows_per_chunk_); }
  void run(int, int64_t chunk, int, const RunKey&) override {
    const int64_t first = chunk * rows_per_chunk_;
    join(first, std::min(first + rows_per_chunk_, outer_), {});
  }
  void run_range(const Range& range, const RunKey&) override {
    join(range.begin * sample_, range.end * sample_, range);
  }

 private:
  void join(int64_t begin, int64_t end, const Range& range) {
    T* const to = source_.at(source_.output()) + source_.shift(source_.output(), range);
    for (int64_t row = begin; row < end; ++row) {
      T* out = to + row * width_;
      for (const Part& part : parts_) {
        if (part.data) {
          const T* const from = part.data + source_.memory.shift(part.local_sample, range) +
                                row / rows_of_sample_ * part.sample_stride + row % rows_of_sample_ * part.width;
          if (from != out) std::memcpy(out, from, static_cast<size_t>(part.width) * sizeof(T));
        } else {
          std::fill_n(out, part.width, T(0));
        }
        out += part.width;
      }
    }
  }

  struct Part {
    const T* data;
    int64_t width, sample_stride;
    int64_t local_sample;  // see Memory
  };
  StepSource<T> source_;
  std::vector<Part> parts_;
  int64_t outer_ = 1, width_ = 1, rows_per_chunk_ = 1;
  int64_t sample_ = 1, rows_of_sample_ = 1;  // rows; none when nothing is to be moved
};

// roll: sample i goes to the place of sample i + shift, and from the end to the start.
template <class T>
class RollStep : public Step<T> {
 public:
  explicit RollStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t rows) override {
    rows_ = rows;
    sample_ = source_.shape(source_.output()).sample_size();
    const int64_t shift = attribute_int(source_.operation, "shift") % rows;
    shift_ = shift < 0 ? shift + rows : shift;
    rows_per_chunk_ = std::max<int64_t>(1, kChunkElements / sample_);
  }
  int64_t chunks(int) const override { return chunk_count(rows_, rows_per_chunk_); }
  void run(int, int64_t chunk, int, const RunKey&) override {
    const int64_t begin = chunk * rows_per_chunk_, end = std::min(begin + rows_per_chunk_, rows_);
    const int64_t turn = std::clamp(shift_, begin, end);
    copy(begin, turn, begin - shift_ + rows_);
    copy(turn, end, turn - shift_);
  }

 private:
  void copy(int64_t begin, int64_t end, int64_t from) {
    if (begin == end) return;
    const T* const start = source_.at(source_.input(0)) + from * sample_;
    std::copy(start, start + (end - begin) * sample_, source_.at(source_.output()) + begin * sample_);
  }

  StepSource<T> source_;
  int64_t rows_ = 0, sample_ = 1, shift_ = 0;
  int64_t rows_per_chunk_ = 1;
};

// pack: most parts were computed in place; zeros stand between them.
template <class T>
class PackStep : public Step<T> {
 public:
  explicit PackStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t) override {}
  int64_t chunks(int) const override { return static_cast<int64_t>(source_.operation.inputs.size()); }
  void run(int, int64_t chunk, int, const RunKey&) override {
    T* out = source_.at(source_.output());
    for (int64_t i = 0; i < chunk; ++i) out += padded_size(size(i));
    const T* part = source_.at(source_.input(static_cast<size_t>(chunk)));
    if (part != out) std::memcpy(out, part, static_cast<size_t>(size(chunk)) * sizeof(T));
    std::fill(out + size(chunk), out + padded_size(size(chunk)), T(0));
  }

 private:
  int64_t size(int64_t part) const { return source_.shape(source_.input(static_cast<size_t>(part))).sample_size(); }
  StepSource<T> source_;
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

}  // namespace ganglion
