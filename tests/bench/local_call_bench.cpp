// An awaited call between two entities of one node, against a bare coroutine call in the same process.

#include <epic/epic.hpp>

#include "bench/bare_coroutine.hpp"
#include "bench/bench_support.hpp"
#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;

namespace {

class Gated : public Entity {
  std::int64_t count_ = 0;

 public:
  Task<std::int64_t> add(std::int64_t amount) { co_return count_ += amount; }
  EPIC_ENTITY(Gated, state(count_), methods(add))
};

class Transient : public Entity {
  std::int64_t count_ = 0;

 public:
  Task<std::int64_t> add(std::int64_t amount) { co_return count_ += amount; }
  EPIC_ENTITY(Transient, state(count_), methods(add), transient)
};

class Caller : public Entity {
 public:
  Task<std::int64_t> call_gated(std::int64_t count) { co_return co_await call_many(Ref<Gated>("a"), count); }
  Task<std::int64_t> call_transient(std::int64_t count) { co_return co_await call_many(Ref<Transient>("a"), count); }
  EPIC_ENTITY(Caller, methods(call_gated, call_transient), transient)

 private:
  template <class T>
  static Task<std::int64_t> call_many(Ref<T> callee, std::int64_t count) {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += co_await callee->add(1);
    co_return sum;
  }
};

}  // namespace

int main() {
  bench::print_warnings();
  static const EntityInfoFn entities[] = {&Gated::epic_info, &Transient::epic_info, &Caller::epic_info};
  const ModuleInfo module{EPIC_ABI_TAG, entities, &no_setup};
  const codec::CapnpCodec codec;
  test::SimFabric fabric({.nodes = 1}, module, codec);
  const Ref<Caller> caller("c");
  const auto patient = caller.with(std::chrono::hours(1));
  const bench::Side gated{"call of a gated entity", [&](std::uint64_t count) {
                            bench::keep(fabric.call(1, patient->call_gated(static_cast<std::int64_t>(count))));
                          }};
  const bench::Side transient{"call of a transient entity", [&](std::uint64_t count) {
                                bench::keep(fabric.call(1, patient->call_transient(static_cast<std::int64_t>(count))));
                              }};
  const bench::Side bare{"bare coroutine call",
                         [](std::uint64_t count) { bench::keep(bench::run_bare_coroutine_calls(count)); }};
  constexpr std::uint64_t kCount = 500'000;
  bench::compare({.title = "awaited local call", .subject = gated, .yardstick = bare, .count = kCount});
  bench::compare({.title = "gated against transient", .subject = gated, .yardstick = transient, .count = kCount});
}
