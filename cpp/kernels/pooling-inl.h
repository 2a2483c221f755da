// The largest element and the sum of each window over an image, channels last, and their gradients.
#pragma once

#include "kernels/simd-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// The part of a window that lies in the image.
struct Window {
  int64_t first;  // of the image's elements
  int64_t place;  // of it in the window
  int64_t rows, columns;
};

// visit(window, first element of its result)
template <class Visit>
GANGLION_INLINE void each_window(const Pooling& p, Visit visit) {
  for (int64_t i = 0; i < p.out_height; ++i) {
    const int64_t top = i * p.strides[0] - p.before[0];
    const int64_t row = larger(top, 0), rows = smaller(top + p.window[0], p.height) - row;
    for (int64_t j = 0; j < p.out_width; ++j) {
      const int64_t left = j * p.strides[1] - p.before[1];
      const int64_t column = larger(left, 0), columns = smaller(left + p.window[1], p.width) - column;
      const Window window{(row * p.width + column) * p.channels, (row - top) * p.window[1] + column - left, rows,
                          columns};
      visit(window, (i * p.out_width + j) * p.channels);
    }
  }
}

// visit(tap's offset from the window's first element, its place in the window). The sizes that are used most are known
// to the compiler, which writes the taps out.
template <class Visit>
GANGLION_INLINE void each_tap_of(int64_t rows, int64_t columns, int64_t window_columns, int64_t place, const Pooling& p,
                                 Visit visit) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) visit((r * p.width + c) * p.channels, place + r * window_columns + c);
  }
}

template <class Visit>
GANGLION_INLINE void each_tap(const Window& window, const Pooling& p, Visit visit) {
  if (window.rows * window.columns == 4 && p.window[0] == 2 && p.window[1] == 2) {
    each_tap_of(2, 2, 2, 0, p, visit);
  } else {
    each_tap_of(window.rows, window.columns, p.window[1], window.place, p, visit);
  }
}

template <class T>
GANGLION_INLINE Vector<T> load_channels(const T* from, int64_t channels) {
  return channels >= Simd<T>::lanes ? load(from) : load_first(from, static_cast<int>(channels));
}
template <class T>
GANGLION_INLINE void store_channels(T* to, Vector<T> x, int64_t channels) {
  if (channels >= Simd<T>::lanes) {
    store(to, x);
  } else {
    store_first(to, x, static_cast<int>(channels));
  }
}

// Also where in its window the first of the largest stands, unless `place` is null. NaN is larger than any number.
template <class T>
void max_pool(T* out, T* place, const T* x, const Pooling& p, int64_t images) {
  for (int64_t image = 0; image < images; ++image) {
    each_window(p, [&](const Window& window, int64_t result) {
      for (int64_t c = 0; c < p.channels; c += Simd<T>::lanes) {
        const int64_t channels = p.channels - c;
        const T* const from = x + window.first + c;
        Vector<T> most = load_channels(from, channels), at = broadcast(static_cast<T>(window.place));
        each_tap(window, p, [&](int64_t offset, int64_t number) {
          const Vector<T> other = load_channels(from + offset, channels);
          const auto keep = (other <= most) | (most != most);
          most = keep ? most : other;
          at = keep ? at : broadcast(static_cast<T>(number));
        });
        store_channels(out + result + c, most, channels);
        if (place) store_channels(place + result + c, at, channels);
      }
    });
    x += p.image();
    out += p.result();
    if (place) place += p.result();
  }
}

template <class T>
void window_sum(T* out, const T* x, const Pooling& p, int64_t images) {
  for (int64_t image = 0; image < images; ++image, x += p.image(), out += p.result()) {
    each_window(p, [&](const Window& window, int64_t result) {
      for (int64_t c = 0; c < p.channels; c += Simd<T>::lanes) {
        Vector<T> sum{};
        each_tap(window, p,
                 [&](int64_t offset, int64_t) { sum += load_channels(x + window.first + c + offset, p.channels - c); });
        store_channels(out + result + c, sum, p.channels - c);
      }
    });
  }
}

// Adds share(first element of a result, channels, place of a tap) to each tap's element of the image. Where each
// element lies in one window, it is written once.
template <class T, class Share>
GANGLION_INLINE void spread_windows(T* d_x, const Pooling& p, Share share) {
  const bool once = p.covers_once();
  if (!once) __builtin_memset(d_x, 0, static_cast<size_t>(p.image()) * sizeof(T));
  each_window(p, [&](const Window& window, int64_t result) {
    for (int64_t c = 0; c < p.channels; c += Simd<T>::lanes) {
      const int64_t channels = p.channels - c;
      const auto of_place = share(result + c, channels);
      each_tap(window, p, [&](int64_t offset, int64_t number) {
        T* const to = d_x + window.first + c + offset;
        const Vector<T> added = of_place(number);
        store_channels(to, once ? added : load_channels<T>(to, channels) + added, channels);
      });
    }
  });
}

template <class T>
void max_pool_gradient(T* d_x, const T* place, const T* d_out, const Pooling& p, int64_t images) {
  for (int64_t image = 0; image < images; ++image) {
    spread_windows(d_x, p, [&](int64_t result, int64_t channels) {
      const Vector<T> at = load_channels(place + result, channels), d = load_channels(d_out + result, channels);
      return [=](int64_t number) { return at == broadcast(static_cast<T>(number)) ? d : Vector<T>{}; };
    });
    d_x += p.image();
    place += p.result();
    d_out += p.result();
  }
}

template <class T>
void window_spread(T* out, const T* x, const Pooling& p, int64_t images) {
  for (int64_t image = 0; image < images; ++image, out += p.image(), x += p.result()) {
    spread_windows(out, p, [&](int64_t result, int64_t channels) {
      const Vector<T> each = load_channels(x + result, channels);
      return [=](int64_t) { return each; };
    });
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
