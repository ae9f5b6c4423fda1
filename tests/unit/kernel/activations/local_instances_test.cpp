#include "kernel/activations/local_instances.hpp"

#include <array>
#include <catch2/catch.hpp>

using namespace epic;
using namespace epic::kernel;

namespace {

struct Instances {
  std::array<Activation, 4> all;
  LocalInstances local;

  Activation& make(std::size_t index, std::uint32_t running, const char* name = "Painter/wall") {
    Activation& instance = all.at(index);
    instance.name = detail::parse_name(name);
    instance.state = Activation::State::active;
    instance.running = running;
    local.add(instance);
    return instance;
  }
};

}  // namespace

TEST_CASE("local instances: a call goes to one that has nothing to do, the oldest first", "[kernel]") {
  Instances f;
  CHECK(f.local.choose("Painter/wall", 3) == nullptr);
  Activation& first = f.make(0, 1);
  Activation& second = f.make(1, 0);
  Activation& third = f.make(2, 0);
  CHECK(f.local.choose("Painter/wall", 3) == &second);
  CHECK(f.local.choose("Painter/door", 3) == nullptr);
  first.running = 0;
  CHECK(f.local.choose("Painter/wall", 3) == &first);
  first.running = 1;
  second.queued = 1;
  CHECK(f.local.choose("Painter/wall", 3) == &third);
}

TEST_CASE("local instances: a further one is made if none is free, and at the most the least busy gets it",
          "[kernel]") {
  Instances f;
  f.make(0, 3);
  Activation& second = f.make(1, 2);
  CHECK(f.local.choose("Painter/wall", 3) == nullptr);
  CHECK(f.local.choose("Painter/wall", 2) == &second);
  second.queued = 2;
  CHECK(f.local.choose("Painter/wall", 2) == &f.all[0]);
  f.local.remove(f.all[0]);
  CHECK(f.local.choose("Painter/wall", 2) == nullptr);
  CHECK(f.local.choose("Painter/wall", 1) == &second);
  f.local.remove(second);
  CHECK(f.local.choose("Painter/wall", 1) == nullptr);
}

TEST_CASE("local instances: one that is about to leave gets a call only if there is no other", "[kernel]") {
  Instances f;
  Activation& leaving = f.make(0, 0);
  leaving.state = Activation::State::stopping;
  CHECK(f.local.choose("Painter/wall", 1) == &leaving);
  CHECK(f.local.choose("Painter/wall", 2) == nullptr);
  Activation& busy = f.make(1, 100);
  CHECK(f.local.choose("Painter/wall", 2) == &busy);
}
