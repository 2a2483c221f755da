#include "core/cores.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace ganglion {
namespace {

int scheduler_cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Quota over period, in processors; infinity when there is no limit.
double v2_limit(const std::string& group) {
  std::ifstream file(group + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return INFINITY;
  return std::atof(quota.c_str()) / period;
}

double v1_limit(const std::string& group) {
  std::ifstream quota_file(group + "/cpu.cfs_quota_us"), period_file(group + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return INFINITY;
  return quota / period;
}

// The least limit of a group and all groups above it. Inside a container the path may be the host's, and
// only the mount's own files exist: those are the last ones asked.
double least_limit(const std::string& mount, std::string path, double (*limit)(const std::string&)) {
  double least = INFINITY;
  for (;;) {
    least = std::min(least, limit(mount + path));
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos || path.empty()) return least;
    path.resize(slash);
  }
}

// Lines of /proc/self/cgroup are "number:controllers:path"; version 2 has the one line "0::path".
double container_limit(const std::string& root) {
  double least = INFINITY;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) least = std::min(least, least_limit(root + "/sys/fs/cgroup", path, v2_limit));
    std::istringstream names(controllers);
    for (std::string name; std::getline(names, name, ',');) {
      if (name == "cpu") least = std::min(least, least_limit(root + "/sys/fs/cgroup/cpu", path, v1_limit));
    }
  }
  return least;
}

// The number in an environment variable, or in the first part of a list such as OMP_NUM_THREADS=4,2; 0 when there is
// none.
int environment_threads(const char* name) {
  const char* text = std::getenv(name);
  if (!text) return 0;
  char* end = nullptr;
  const long threads = std::strtol(text, &end, 10);
  return end != text && threads > 0 && threads < 65536 ? static_cast<int>(threads) : 0;
}

}  // namespace

int available_cores(const std::string& root) {
  const double limit = std::ceil(container_limit(root));
  const int cores = scheduler_cores();
  return limit < cores ? std::max(1, static_cast<int>(limit)) : cores;
}

int default_threads() {
  if (const int threads = environment_threads("GANGLION_NUM_THREADS")) return threads;
  const int cores = available_cores();
  const int limit = environment_threads("OMP_NUM_THREADS");
  return limit ? std::min(limit, cores) : cores;
}

}  // namespace ganglion
