// A part of an expression's elements, seen as rows of equal length.
#pragma once

#include <cstdint>

#include "engines/cpu/memory.h"

namespace ganglion {

template <class T>
struct Block {
  int64_t row, row_end, column, column_end;
  // Where operand 0 stands, when that is not with its value: its element at (row, column), and the distance of
  // two rows in elements.
  const T* first = nullptr;
  int64_t first_row = 0;
  Range range{};  // that it belongs to
};

}  // namespace ganglion
