#include "program/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "program/passes.h"
#include "program/rule.h"

namespace ganglion {

namespace {

class Planner {
 public:
  Planner(const Program& program, int64_t rows) : program_(program), rows_(rows), roots_(program.values.size()) {
    for (size_t value = 0; value < roots_.size(); ++value) roots_[value] = {static_cast<int>(value), 0, false};
    lives_.assign(roots_.size(), {});
  }

  MemoryPlan run() {
    alias_views();
    find_apart();
    alias_slices();
    alias_packs();
    alias_concats();
    measure_lives();
    alias_in_place();
    return place();
  }

 private:
  struct Root {
    int value;       // whose memory this is
    int64_t offset;  // elements from its start
    bool apart;      // as Place says
  };
  struct Life {
    int first = -1, last = -1;  // stages; an input is there from the start
    bool used = false;
    std::vector<int> touched;  // by operations
  };

  const Value& value(int id) const { return program_.values[static_cast<size_t>(id)]; }
  bool in_arena(int id) const { return value(id).storage == Storage::arena || value(id).storage == Storage::input; }
  int64_t size(int id) const { return value(id).shape.size(rows_); }

  Root root(int id) const {
    Root found = roots_[static_cast<size_t>(id)];
    while (roots_[static_cast<size_t>(found.value)].value != found.value) {
      const Root next = roots_[static_cast<size_t>(found.value)];
      found = {next.value, found.offset + next.offset, found.apart || next.apart};
    }
    return found;
  }

  void alias_views() {
    for (const Operation& operation : program_.operations) {
      if (operation.kind != "expression" && find_rule(operation.kind).view) {
        roots_[static_cast<size_t>(operation.outputs[0])] = {operation.inputs[0], 0, false};
      }
    }
  }

  // Values that may stand with their samples apart, as part of a larger one: all that read them take that.
  void find_apart() {
    apart_.assign(roots_.size(), 1);
    for (const Operation& operation : program_.operations) {
      const bool view = operation.kind != "expression" && find_rule(operation.kind).view;
      for (int id : operation.inputs) {
        const bool takes =
            view || operation.kind == "slice" || operation.kind == "concat" || takes_apart(program_, operation, id);
        if (!takes || !splits(id)) apart_[static_cast<size_t>(root(id).value)] = 0;
      }
      for (int id : operation.outputs) {
        if (!splits(id)) apart_[static_cast<size_t>(root(id).value)] = 0;
      }
    }
    for (const auto& [name, id] : program_.outputs) apart_[static_cast<size_t>(root(id).value)] = 0;
  }

  // Whether the first axis counts samples and nothing else.
  bool splits(int id) const { return value(id).shape.batched && value(id).shape.dims[0] == 1; }

  // Whether an operation takes a part of each sample, or joins parts to one, that is contiguous in it; and how many
  // elements one step along the axis is.
  bool is_part_of_sample(const Operation& operation, int64_t* inner) const {
    const Shape& shape = value(operation.outputs[0]).shape;
    const int64_t axis = attribute_int(operation, "axis");
    if (!shape.batched || axis == 0) return false;
    *inner = 1;
    for (int64_t i = axis + 1; i < shape.rank(); ++i) *inner *= shape.dims[static_cast<size_t>(i)];
    return std::all_of(shape.dims.begin(), shape.dims.begin() + axis, [](int64_t dim) { return dim == 1; });
  }

  bool is_free(int id) const {
    return value(id).storage == Storage::arena && root(id).value == id && apart_[static_cast<size_t>(id)];
  }

  // A slice is read where it stands.
  void alias_slices() {
    for (const Operation& operation : program_.operations) {
      int64_t inner = 1;
      if (operation.kind != "slice" || !is_part_of_sample(operation, &inner)) continue;
      const int from = operation.inputs[0], to = operation.outputs[0];
      const bool whole = in_arena(root(from).value) && size(root(from).value) == size(from);
      if (!whole || !is_free(to)) continue;
      roots_[static_cast<size_t>(to)] = {from, attribute_int(operation, "start") * inner, true};
      sliced_.push_back(to);
    }
  }

  // A part is computed inside what it becomes part of.
  void alias_concats() {
    for (const Operation& operation : program_.operations) {
      int64_t inner = 1, offset = 0;
      if (operation.kind != "concat" || !is_part_of_sample(operation, &inner)) continue;
      for (int part : operation.inputs) {
        const bool once = std::count(operation.inputs.begin(), operation.inputs.end(), part) == 1;
        if (once && is_free(part) && is_written_apart(part) && !packed(part) && !holds_slices(part)) {
          roots_[static_cast<size_t>(part)] = {operation.outputs[0], offset, true};
          packed_.push_back(part);
          packed_.push_back(operation.outputs[0]);
        }
        offset += value(part).shape.sample_size();
      }
    }
  }

  bool is_written_apart(int id) const {
    return takes_apart(program_, program_.operations[static_cast<size_t>(value(id).producer)], id);
  }

  bool holds_slices(int id) const {
    return std::any_of(sliced_.begin(), sliced_.end(), [&](int slice) { return root(slice).value == id; });
  }

  // A part is computed inside the pack when nothing else gave it a place. Engines copy the others.
  void alias_packs() {
    for (const Operation& operation : program_.operations) {
      if (operation.kind != "pack") continue;
      int64_t offset = 0;
      for (int part : operation.inputs) {
        const Root memory = root(part);
        const bool whole = memory.offset == 0 && size(memory.value) == size(part);
        if (whole && value(memory.value).storage == Storage::arena && !packed(memory.value)) {
          roots_[static_cast<size_t>(memory.value)] = {operation.outputs[0], offset, false};
          packed_.push_back(memory.value);
          packed_.push_back(operation.outputs[0]);
        }
        offset += padded_size(size(part));
      }
    }
  }

  bool packed(int id) const { return std::count(packed_.begin(), packed_.end(), id) != 0; }

  void measure_lives() {
    int end = 0;
    for (int input : program_.inputs) {
      touch(input, -1);
      touch(input, 1);  // the batch may be read in when stage 0 is over
    }
    for (size_t index = 0; index < program_.operations.size(); ++index) {
      const Operation& operation = program_.operations[index];
      end = std::max(end, operation.stage + 1);
      const bool reads = operation.kind == "expression" || !find_rule(operation.kind).shape_only;
      for (int id : operation.inputs) {
        if (reads) touch(id, operation.stage, static_cast<int>(index));
      }
      for (int id : operation.outputs) touch(id, operation.stage, static_cast<int>(index));
    }
    for (const auto& [name, id] : program_.outputs) touch(id, end);
  }

  void touch(int id, int stage, int operation = -1) {
    Life& life = lives_[static_cast<size_t>(root(id).value)];
    if (!life.used) life = {stage, stage, true, {}};
    life.first = std::min(life.first, stage);
    life.last = std::max(life.last, stage);
    if (operation >= 0) life.touched.push_back(operation);
  }

  // Whether an operation may write over what it reads: nobody reads it later, or at the same time.
  bool dies(const Life& life, int index) const {
    const Operation& last = program_.operations[static_cast<size_t>(index)];
    if (life.last != last.stage) return false;
    return std::all_of(life.touched.begin(), life.touched.end(), [&](int other) {
      const Operation& operation = program_.operations[static_cast<size_t>(other)];
      if (other == index || operation.stage < last.stage) return true;
      return other < index && run_in_order(program_, operation, last);
    });
  }

  // Whether an operation reads a slice that stands in a value: elements of it would be written before they are read.
  bool reads_part(const Operation& operation, int memory) const {
    return std::any_of(operation.inputs.begin(), operation.inputs.end(),
                       [&](int id) { return root(id).value == memory && size(id) != size(memory); });
  }

  void alias_in_place() {
    for (int index = 0; index < static_cast<int>(program_.operations.size()); ++index) {
      const Operation& operation = program_.operations[static_cast<size_t>(index)];
      if (operation.kind != "expression") continue;
      std::vector<int> taken;  // one output a place, even if nothing reads the output later
      for (int output : operation.outputs) {
        if (value(output).storage != Storage::arena || root(output).value != output || packed(output)) continue;
        for (int operand : operation.inputs) {
          const int memory = root(operand).value;
          Life& life = lives_[static_cast<size_t>(memory)];
          if (value(memory).storage != Storage::arena || packed(memory) || memory == output ||
              std::count(taken.begin(), taken.end(), memory) || size(memory) != size(output) ||
              value(operand).shape != operation.expression.shape || reads_part(operation, memory) ||
              !dies(life, index)) {
            continue;
          }
          roots_[static_cast<size_t>(output)] = {memory, 0, false};
          taken.push_back(memory);
          const Life& written = lives_[static_cast<size_t>(output)];
          life.last = std::max(life.last, written.last);
          life.touched.insert(life.touched.end(), written.touched.begin(), written.touched.end());
          break;
        }
      }
    }
  }

  // Memory that only samplewise operations of one stage touch.
  bool is_local(int id) const {
    const Life& life = lives_[static_cast<size_t>(id)];
    return value(id).storage == Storage::arena && value(id).shape.batched && life.first == life.last &&
           life.first > 0 && !packed(id) && std::all_of(life.touched.begin(), life.touched.end(), [&](int operation) {
             return is_samplewise(program_, program_.operations[static_cast<size_t>(operation)]);
           });
  }

  // Largest first, each at the lowest offset that nothing alive at the same time holds. Places values, all of them
  // local or none; the elements they take together.
  int64_t place(std::vector<int> order, bool local, MemoryPlan* plan) const {
    struct Held {
      int first, last;
      int64_t begin, end;
    };
    const auto extent = [&](int id) { return local ? value(id).shape.sample_size() : padded_size(size(id)); };
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return extent(a) > extent(b); });
    std::vector<Held> placed;
    int64_t total = 0;
    for (int id : order) {
      const Life& life = lives_[static_cast<size_t>(id)];
      // Operations run in order on what is local, otherwise stages do.
      const auto [first, last] = std::minmax_element(life.touched.begin(), life.touched.end());
      Held mine = local ? Held{*first, *last, 0, 0} : Held{life.first, life.last, 0, 0};
      std::vector<std::pair<int64_t, int64_t>> taken;
      for (const Held& other : placed) {
        if (other.last >= mine.first && mine.last >= other.first) taken.emplace_back(other.begin, other.end);
      }
      std::sort(taken.begin(), taken.end());
      for (const auto& [begin, end] : taken) {
        if (mine.begin + extent(id) <= begin) break;
        mine.begin = std::max(mine.begin, end);
      }
      mine.end = mine.begin + extent(id);
      plan->places[static_cast<size_t>(id)] = {value(id).storage, mine.begin, id, local, false, 0};
      total = std::max(total, mine.end);
      placed.push_back(mine);
    }
    return total;
  }

  MemoryPlan place() const {
    MemoryPlan plan;
    plan.places.resize(roots_.size());
    std::vector<int> shared, local;
    for (int id = 0; id < static_cast<int>(roots_.size()); ++id) {
      if (!in_arena(id) || !lives_[static_cast<size_t>(id)].used || roots_[static_cast<size_t>(id)].value != id)
        continue;
      (is_local(id) ? local : shared).push_back(id);
    }
    plan.arena = place(shared, false, &plan);
    plan.local = place(local, true, &plan);

    std::vector<int64_t> constant_offsets;
    for (const std::vector<double>& constant : program_.constants) {
      constant_offsets.push_back(plan.constants);
      plan.constants += padded_size(static_cast<int64_t>(constant.size()));
    }
    for (int id = 0; id < static_cast<int>(roots_.size()); ++id) {
      const Root memory = root(id);
      const Value& owner = value(memory.value);
      Place base = plan.places[static_cast<size_t>(memory.value)];
      if (!in_arena(memory.value)) {
        base = {owner.storage,
                owner.storage == Storage::constant ? constant_offsets[static_cast<size_t>(owner.offset)] : owner.offset,
                memory.value,
                false,
                false,
                0};
      }
      if (memory.value != id)
        plan.places[static_cast<size_t>(id)] = {base.storage,  base.offset,  memory.value,
                                                base.is_local, memory.apart, memory.offset};
      if (memory.value == id && !in_arena(id)) plan.places[static_cast<size_t>(id)] = base;
    }
    return plan;
  }

  const Program& program_;
  const int64_t rows_;
  std::vector<Root> roots_;
  std::vector<Life> lives_;
  std::vector<int> packed_, sliced_;
  std::vector<char> apart_;  // for each value that owns memory: it may stand inside another
};

}  // namespace

MemoryPlan plan_memory(const Program& program, int64_t rows) { return Planner(program, rows).run(); }

}  // namespace ganglion
