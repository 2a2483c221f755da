// Joins elementwise operations greedily, in the order they were written. A group runs as one operation
// at its `position`; an operation joins the groups that make its inputs when all of them can run at
// one place without overtaking a reader or a writer.
#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "program/passes.h"

namespace ganglion {

namespace {

// An expression's registers are numbered within this; three operands and itself for each member.
constexpr size_t kMaxMembers = kMaxRegisters / 4;

class Fusion {
 public:
  explicit Fusion(Program& program) : program_(program), count_(program.operations.size()) {
    group_.resize(count_);
    position_.resize(count_);
    members_.resize(count_);
    for (size_t i = 0; i < count_; ++i) {
      group_[i] = position_[i] = i;
      members_[i] = {i};
    }
    readers_.resize(program.values.size());
    for (size_t i = 0; i < count_; ++i) {
      for (int value : operation(i).inputs) readers_[static_cast<size_t>(value)].push_back(i);
    }
  }

  void run() {
    for (size_t index = 0; index < count_; ++index) {
      if (is_elementwise(operation(index))) join(index);
    }
    rebuild();
  }

 private:
  const Operation& operation(size_t index) const { return program_.operations[index]; }
  const Shape& shape(size_t index) const { return program_.shape(operation(index).outputs[0]); }
  size_t position(size_t index) const { return position_[group_[index]]; }

  bool alike(size_t a, size_t b) const {
    return is_elementwise(operation(b)) && operation(a).section == operation(b).section &&
           operation(a).backward == operation(b).backward && shape(a) == shape(b);
  }

  void join(size_t index) {
    std::set<size_t> candidates;
    for (int value : operation(index).inputs) {
      const int producer = program_.values[static_cast<size_t>(value)].producer;
      if (producer >= 0 && alike(index, static_cast<size_t>(producer))) {
        candidates.insert(group_[static_cast<size_t>(producer)]);
      }
    }
    if (candidates.empty()) return;
    if (merge(candidates, index)) return;
    std::vector<size_t> latest(candidates.begin(), candidates.end());
    std::sort(latest.begin(), latest.end(), [&](size_t a, size_t b) { return position_[a] > position_[b]; });
    for (size_t candidate : latest) {
      if (merge({candidate}, index)) return;
    }
  }

  bool merge(const std::set<size_t>& groups, size_t index) {
    size_t last = 0;
    for (size_t group : groups) last = std::max(last, position_[group]);
    for (size_t place : {index, last}) {
      if (!can_run(groups, index, place)) continue;
      const size_t target = *groups.begin();
      for (size_t group : groups) {
        if (group == target) continue;
        for (size_t member : members_[group]) group_[member] = target;
        members_[target].insert(members_[target].end(), members_[group].begin(), members_[group].end());
        members_[group].clear();
      }
      group_[index] = target;
      members_[index].clear();
      members_[target].push_back(index);
      position_[target] = place;
      return true;
    }
    return false;
  }

  // Whether the members of `groups` and `index` may all run at `place`, which none of them stands behind.
  bool can_run(const std::set<size_t>& groups, size_t index, size_t place) const {
    const auto inside = [&](size_t other) { return other == index || groups.count(group_[other]) != 0; };
    std::vector<size_t> moved{index};
    for (size_t group : groups) moved.insert(moved.end(), members_[group].begin(), members_[group].end());
    if (moved.size() > kMaxMembers) return false;
    // An expression reads an element of its operands before it writes that element. So none may read what an earlier
    // one wrote, and what a later one writes must stand at the very place where it is read.
    for (size_t writer : moved) {
      for (size_t other : moved) {
        if (writer < other && writes_over(program_, operation(writer), operation(other))) return false;
        if (writer > other && writes_beside(program_, operation(writer), operation(other))) return false;
      }
    }
    for (size_t member : moved) {
      const size_t from = member == index ? index : position(member);
      for (int value : operation(member).inputs) {
        const int producer = program_.values[static_cast<size_t>(value)].producer;
        if (producer >= 0 && !inside(static_cast<size_t>(producer)) &&
            position(static_cast<size_t>(producer)) >= place) {
          return false;
        }
      }
      for (size_t reader : readers_[static_cast<size_t>(operation(member).outputs[0])]) {
        if (reader < index && !inside(reader) && position(reader) <= place) return false;
      }
      const size_t begin = std::min(from, place), end = std::max(from, place);
      for (size_t other = 0; other < index; ++other) {
        if (inside(other) || position(other) < begin || position(other) > end) continue;
        if (conflict(program_, operation(member), operation(other))) return false;
      }
    }
    return true;
  }

  void rebuild() {
    std::vector<char> wanted(program_.values.size(), 0);
    for (const auto& [name, value] : program_.outputs) wanted[static_cast<size_t>(value)] = 1;
    for (size_t index = 0; index < count_; ++index) {
      for (int value : operation(index).inputs) {
        const int producer = program_.values[static_cast<size_t>(value)].producer;
        if (producer >= 0 && group_[static_cast<size_t>(producer)] != group_[index])
          wanted[static_cast<size_t>(value)] = 1;
      }
    }
    std::vector<size_t> order;
    for (size_t index = 0; index < count_; ++index) {
      if (!members_[index].empty()) order.push_back(index);
    }
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return position_[a] < position_[b]; });

    std::vector<Operation> operations;
    for (size_t group : order) {
      std::vector<size_t>& members = members_[group];
      if (!is_elementwise(operation(members.front()))) {
        operations.push_back(operation(group));
        continue;
      }
      std::sort(members.begin(), members.end());
      std::vector<const Operation*> joined;
      for (size_t member : members) joined.push_back(&operation(member));
      Operation fused;
      fused.kind = "expression";
      fused.section = joined.front()->section;
      fused.backward = joined.front()->backward;
      fused.label = joined.front()->label;
      fused.expression = join_expression(program_, joined, wanted, &fused.inputs, &fused.outputs);
      operations.push_back(std::move(fused));
    }
    program_.operations = std::move(operations);
    number_producers(program_);
  }

  Program& program_;
  const size_t count_;
  std::vector<size_t> group_;                 // group of each operation, named by its first member
  std::vector<size_t> position_;              // where each group runs
  std::vector<std::vector<size_t>> members_;  // of each group; empty for those merged into another
  std::vector<std::vector<size_t>> readers_;  // operations that read each value
};

}  // namespace

void fuse_expressions(Program& program) { Fusion(program).run(); }

}  // namespace ganglion
