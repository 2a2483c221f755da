// Errors that reach the user name the place, the value and what was expected:
// "[matmul] inner sizes differ: 64 against 32". Python sees them as ValueError.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace ganglion {

class Error : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

template <class... Parts>
std::string concatenate(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

// check(units > 0, "[Dense] units must be positive, got ", units)
template <class... Parts>
void check(bool condition, const Parts&... parts) {
  if (!condition) throw Error(concatenate(parts...));
}

}  // namespace ganglion
