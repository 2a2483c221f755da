// The part of x that a band of results reads.
#pragma once

#include "kernels/simd-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// As it lies in x or, where zeros surround it, copied with them. Result row `line` of the band, counted over the
// images, begins at line(line), and its element at column j of row i of the kernel at tap(i, j) from there.
template <class T>
struct BandInput {
  const T* start;
  int64_t image, row, pixel;  // elements from one to the next
  int64_t band_rows, line_rows;

  int64_t line(int64_t index) const { return index / band_rows * image + index % band_rows * line_rows; }
};

// Elements of the copy; vectors read beyond its end.
template <class T>
int64_t band_workspace(const ConvolutionSizes& sizes, int64_t images, int64_t rows) {
  return images * sizes.rows.reach(rows) * sizes.columns.reach(sizes.columns.output) * sizes.channels + Simd<T>::lanes;
}

template <class T>
void copy_values(T* to, const T* from, int64_t count) {
  constexpr int64_t lanes = Simd<T>::lanes;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(to + i, load(from + i));
  if (i < count) store_first(to + i, load_first(from + i, static_cast<int>(count - i)), static_cast<int>(count - i));
}

template <class T>
void set_zero(T* to, int64_t count) {
  constexpr int64_t lanes = Simd<T>::lanes;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(to + i, Vector<T>{});
  if (i < count) store_first(to + i, Vector<T>{}, static_cast<int>(count - i));
}

// `x` is the first image of the band.
template <class T>
BandInput<T> band_input(const ConvolutionSizes& sizes, const T* x, const ConvolutionBand& band, bool copied,
                        T* workspace) {
  const ConvolutionAxis& rows = sizes.rows;
  const ConvolutionAxis& columns = sizes.columns;
  const int64_t c = sizes.channels, top = band.row * rows.stride - rows.before;
  if (!copied) {
    const int64_t row = columns.input * c;
    return {x + top * row, sizes.image(), row, c, band.rows, rows.stride * row};
  }
  const int64_t height = rows.reach(band.rows), width = columns.reach(columns.output);
  const int64_t inside = smaller(columns.input, width - columns.before);
  T* to = workspace;
  for (int64_t image = 0; image < band.images; ++image, x += sizes.image()) {
    for (int64_t row = top; row < top + height; ++row, to += width * c) {
      if (row < 0 || row >= rows.input || inside <= 0) {
        set_zero(to, width * c);
        continue;
      }
      set_zero(to, columns.before * c);
      copy_values(to + columns.before * c, x + row * columns.input * c, inside * c);
      set_zero(to + (columns.before + inside) * c, (width - columns.before - inside) * c);
    }
  }
  return {workspace, height * width * c, width * c, c, band.rows, rows.stride * width * c};
}

// The runs of memory that the kernel reads of x, in the order of its rows and columns: a row of the kernel each, or,
// where the columns do not follow each other, a tap.
struct KernelRuns {
  int64_t count, size;  // size: elements of one group of channels
  int64_t columns;      // runs of a row of the kernel
  explicit KernelRuns(const ConvolutionSizes& sizes)
      : count(sizes.joins_columns() ? sizes.rows.kernel : sizes.taps()),
        size(sizes.group_channels() * (sizes.joins_columns() ? sizes.columns.kernel : 1)),
        columns(sizes.joins_columns() ? 1 : sizes.columns.kernel) {}

  int64_t row(int64_t run) const { return run / columns; }
  int64_t column(int64_t run) const { return run % columns; }

  // Where run `run` begins, from where the line does.
  template <class T>
  int64_t offset(const ConvolutionSizes& sizes, const BandInput<T>& input, int64_t run) const {
    return row(run) * sizes.rows.dilation * input.row + column(run) * sizes.columns.dilation * input.pixel;
  }
};

}  // namespace GANGLION_ISA
}  // namespace ganglion
