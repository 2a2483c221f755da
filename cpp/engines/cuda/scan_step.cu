// scan: the kernels of the body once for each step of the sequences, one after the other. Between two steps one kernel
// keeps what the step made, and brings what the next one reads.
#include "engines/cuda/kernel.h"
#include "engines/cuda/step.h"
#include "program/loop.h"
#include "program/rule.h"

namespace ganglion::cuda {

namespace {

constexpr int64_t kMostBlocks = 1024;
constexpr int kMovesOfLaunch = 24;

// `size` elements of each sample, which are so many elements apart.
template <class T>
struct Rows {
  T* data;
  int64_t stride;
};

template <class T>
struct Move {
  Rows<T> to;
  Rows<const T> from;
  // Where the mask is 0 these are taken, or zeros; a null mask: nowhere.
  Rows<const T> mask, otherwise;
  int64_t size;
};

template <class T>
struct Moves {
  int32_t count;
  int64_t rows;
  Move<T> moves[kMovesOfLaunch];
};

template <class T>
__global__ void __launch_bounds__(kThreads) move_kernel(const __grid_constant__ Moves<T> all) {
  for (int i = 0; i < all.count; ++i) {
    const Move<T>& move = all.moves[i];
    for (int64_t at = thread_of_grid(); at < all.rows * move.size; at += threads_of_grid()) {
      const int64_t row = at / move.size, column = at % move.size;
      T value = 0;
      if (!move.mask.data || move.mask.data[row * move.mask.stride] != T{0}) {
        value = move.from.data[row * move.from.stride + column];
      } else if (move.otherwise.data) {
        value = move.otherwise.data[row * move.otherwise.stride + column];
      }
      move.to.data[row * move.to.stride + column] = value;
    }
  }
}

template <class T>
class ScanStep : public Step<T> {
 public:
  explicit ScanStep(const StepSource<T>& source)
      : source_(source), loop_(*source.operation.loop), body_(loop_.body), memory_(body_, Buffers{}) {
    for (const Operation& operation : body_.operations) {
      if (operation.kind != "expression" && find_rule(operation.kind).view) continue;
      steps_.push_back(make_step<T>({body_, operation, memory_}));
    }
  }

  void bind(int64_t rows) override {
    rows_ = rows;
    memory_.control = source_.memory.control;
    if (rows > memory_.reserved()) memory_.reserve(rows);
    carried_.resize(static_cast<size_t>(2 * loop_.carries));
    for (int i = 0; i < 2 * loop_.carries; ++i) {
      carried_[static_cast<size_t>(i)].require(rows * size_of(loop_.output(i / 2)));
    }
    entered_.resize(static_cast<size_t>(2 * loop_.sequences));
    for (int i = 0; i < 2 * loop_.sequences; ++i) {
      entered_[static_cast<size_t>(i)].require(rows * size_of(input(loop_.carries + i / 2)));
    }
    lend_entered(0);
    for (int i = loop_.carries + loop_.sequences; i < static_cast<int>(body_.inputs.size()); ++i) {
      memory_.lend(input(i), source_.at(source_.input(static_cast<size_t>(i))));
    }
    for (int i = 0; i < loop_.carries; ++i) memory_.lend(input(i), source_.at(source_.input(static_cast<size_t>(i))));
    for (const StepPointer<T>& step : steps_) step->bind(rows);
    if (memory_.allocate_scratch()) source_.memory.note_move();
  }

  void enqueue(cudaStream_t stream) override {
    std::vector<Move<T>> moves;
    std::vector<T*> carries;
    for (int i = 0; i < loop_.carries; ++i) carries.push_back(source_.at(source_.input(static_cast<size_t>(i))));
    for (int64_t step = 0; step < loop_.steps; ++step) {
      const int64_t at = loop_.reverse ? loop_.steps - 1 - step : step;
      enter(at, step, &moves);
      start(stream, &moves);
      lend_entered(step);
      for (int i = 0; i < loop_.carries; ++i) memory_.lend(input(i), carries[static_cast<size_t>(i)]);
      for (const StepPointer<T>& of_body : steps_) {
        of_body->bind(rows_);
        of_body->enqueue(stream);
      }
      keep(at, step, &carries, &moves);
    }
    start(stream, &moves);
    for (int i = 0; i < loop_.carries; ++i) {
      const int64_t size = size_of(loop_.output(i));
      moves.push_back({{source_.at(source_.output(static_cast<size_t>(i))), size},
                       {carries[static_cast<size_t>(i)], size},
                       {},
                       {},
                       size});
    }
    start(stream, &moves);
  }

 private:
  int input(int index) const { return body_.inputs[static_cast<size_t>(index)]; }
  int64_t size_of(int value) const { return body_.shape(value).sample_size(); }

  // A step of a sequence of the program around.
  Rows<T> step_of(int value, int64_t at) const {
    const int64_t sample = source_.shape(value).sample_size();
    return {source_.at(value) + at * (sample / loop_.steps), sample};
  }

  T* entered(int sequence, int64_t step) const { return entered_[static_cast<size_t>(2 * sequence + step % 2)].data(); }
  void lend_entered(int64_t step) {
    for (int i = 0; i < loop_.sequences; ++i) memory_.lend(input(loop_.carries + i), entered(i, step));
  }

  void enter(int64_t at, int64_t step, std::vector<Move<T>>* moves) const {
    for (int i = 0; i < loop_.sequences; ++i) {
      const Rows<T> from = step_of(source_.input(static_cast<size_t>(loop_.carries + i)), at);
      const int64_t size = size_of(input(loop_.carries + i));
      moves->push_back({{entered(i, step), size}, {from.data, from.stride}, {}, {}, size});
    }
  }

  void keep(int64_t at, int64_t step, std::vector<T*>* carries, std::vector<Move<T>>* moves) const {
    Rows<const T> mask{};
    if (loop_.masked) {
      const Rows<T> given = step_of(source_.input(static_cast<size_t>(loop_.carries + loop_.sequences - 1)), at);
      mask = {given.data, given.stride};
    }
    for (int i = 0; i < static_cast<int>(body_.outputs.size()); ++i) {
      const int value = loop_.output(i);
      const int64_t size = size_of(value), apart = memory_.sample_stride(value);
      const Rows<const T> from{memory_.at(value), apart > 0 ? apart : size};
      if (i < loop_.carries) {
        T*& carry = (*carries)[static_cast<size_t>(i)];
        T* const to = carried_[static_cast<size_t>(2 * i + step % 2)].data();
        moves->push_back({{to, size}, from, mask, {carry, size}, size});
        carry = to;
      } else {
        moves->push_back({step_of(source_.output(static_cast<size_t>(i)), at), from, mask, {}, size});
      }
    }
  }

  // What is moved at once: nothing of it is read where another writes.
  void start(cudaStream_t stream, std::vector<Move<T>>* moves) const {
    for (size_t first = 0; first < moves->size(); first += kMovesOfLaunch) {
      Moves<T> all{};
      all.rows = rows_;
      int64_t longest = 0;
      for (size_t i = first; i < std::min(moves->size(), first + kMovesOfLaunch); ++i) {
        all.moves[all.count++] = (*moves)[i];
        longest = std::max(longest, rows_ * (*moves)[i].size);
      }
      launch(stream, std::min(divide_up(longest, kThreads), kMostBlocks), kThreads, move_kernel<T>, all);
    }
    moves->clear();
  }

  StepSource<T> source_;
  const Loop& loop_;
  const Program& body_;
  Memory<T> memory_;
  std::vector<StepPointer<T>> steps_;
  int64_t rows_ = 0;
  std::vector<DeviceBuffer<T>> carried_;  // for each carry two, written in turn
  std::vector<DeviceBuffer<T>> entered_;  // for each sequence two of its steps
};

}  // namespace

template <class T>
StepPointer<T> make_scan_step(const StepSource<T>& source) {
  return std::make_unique<ScanStep<T>>(source);
}

template StepPointer<float> make_scan_step(const StepSource<float>&);
template StepPointer<double> make_scan_step(const StepSource<double>&);

}  // namespace ganglion::cuda
