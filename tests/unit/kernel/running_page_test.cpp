#include "kernel/running_page.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>

#include "unit/kernel/kernel_parts.hpp"

using namespace epic;
using namespace epic::kernel;
using epic::testing_entities::KernelParts;

namespace {

std::function<void()> g_look;

class Shown : public Entity {
 public:
  Shown() {
    if (g_look) g_look();
  }
  ~Shown() override {
    if (g_look) g_look();
  }
  Task<void> on_activate() override {
    g_look();
    co_return;
  }
  Task<void> call(Ref<Shown> other) {
    g_look();
    co_await other->look();
    g_look();
  }
  Task<void> look() {
    g_look();
    co_return;
  }
  Task<void> begin_task() {
    epic::spawn(task());
    g_look();
    co_return;
  }
  Task<void> task() {
    g_look();
    co_return;
  }
  EPIC_ENTITY(Shown, methods(call, look, begin_task), transient)
};

const ModuleInfo& shown_module() {
  static const EntityInfoFn entities[] = {&Shown::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, [](Pool) -> Task<void> { co_return; }};
  return info;
}

/// Looks as a supervisor would, in the middle of an entity's code.
struct RunningPageFixture : KernelParts {
  RunningPageFixture() {
    REQUIRE(types.add(shown_module()));
    scheduler.shown.open(page.get());
    g_look = [this] { seen += shown() + " "; };
  }
  ~RunningPageFixture() override {
    g_look = nullptr;
    scheduler.shown.open(nullptr);
  }
  [[nodiscard]] std::string shown() const {
    const std::uint32_t number = page->place.load();
    if (number == 0) return "-";
    const RunningPage::Place& place = page->places.at(number - 1);
    return std::string(place.entity_name.data()) + "." + place.method_name.data();
  }
  /// What has been seen since the last time.
  template <class R>
  std::string watch(Call<R>&& call) {
    const auto record = begin(std::move(call));
    settle();
    seen += shown();
    return std::exchange(seen, {});
  }

  std::unique_ptr<RunningPage> page = std::make_unique<RunningPage>();
  std::string seen;
};

}  // namespace

TEST_CASE("running page: shows whose code runs, through calls and back, and nobody between turns", "[kernel]") {
  RunningPageFixture f;
  CHECK(f.watch(Ref<Shown>("a")->look()) == "Shown/a.constructor Shown/a.on_activate Shown/a.look -");
  f.watch(Ref<Shown>("b")->look());
  for (int i = 0; i < 3; ++i)
    CHECK(f.watch(Ref<Shown>("a")->call(Ref<Shown>("b"))) == "Shown/a.call Shown/b.look Shown/a.call -");
}

TEST_CASE("running page: shows a turn that goes on after a wait, and tasks", "[kernel]") {
  RunningPageFixture f;
  f.watch(Ref<Shown>("a")->look());
  CHECK(f.watch(Ref<Shown>("a")->call(Ref<Shown>("b"))) ==
        "Shown/a.call Shown/b.constructor Shown/b.on_activate Shown/b.look Shown/a.call -");
  CHECK(f.watch(Ref<Shown>("a")->begin_task()) == "Shown/a.begin_task Shown/a.task -");
}

TEST_CASE("running page: entities that share a place do not take each other's names", "[kernel]") {
  RunningPageFixture f;
  constexpr int kEntities = 3 * RunningPage::kPlacesCount;
  for (int i = 0; i < kEntities; ++i) f.watch(Ref<Shown>(i)->look());
  for (int i = 0; i < kEntities; i += 7) {
    const std::string name = "Shown/" + std::to_string(i);
    const std::string next = "Shown/" + std::to_string(kEntities - 1 - i);
    CHECK(f.watch(Ref<Shown>(i)->call(Ref<Shown>(kEntities - 1 - i))) ==
          name + ".call " + next + ".look " + name + ".call -");
  }
}

TEST_CASE("running page: the longest name fits", "[kernel]") {
  RunningPageFixture f;
  const std::string key(limits::kKeyBytesMax, 'k');
  f.watch(Ref<Shown>(key)->look());
  CHECK(f.watch(Ref<Shown>(key)->look()) == "Shown/" + key + ".look -");
}
