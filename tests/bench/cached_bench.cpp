// A call that a copy answers (Ref::cached) against a local call of the same method: in one process, and by entities on
// four nodes that read one hot entity. Beside that the same calls without copies.

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <epic/epic.hpp>

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/modules/fabric_entities.hpp"
#include "codec/capnp_codec.hpp"
#include "epic/client.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;

namespace {

class Shop : public Entity {
  std::int64_t price_ = 3;

 public:
  Task<std::int64_t> price() const { co_return price_; }
  Task<std::int64_t> price_of(std::string item) const { co_return price_ + static_cast<std::int64_t>(item.size()); }
  EPIC_ENTITY(Shop, state(price_), methods(price, price_of))
};

class Reader : public Entity {
 public:
  Task<std::int64_t> call(Ref<Shop> shop, std::int64_t count) const {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += co_await shop->price();
    co_return sum;
  }
  Task<std::int64_t> call_cached(Ref<Shop> shop, std::int64_t count) const {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += co_await shop.cached(std::chrono::hours(1))->price();
    co_return sum;
  }
  Task<std::int64_t> call_with_text(Ref<Shop> shop, std::int64_t count) const {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += co_await shop->price_of("apples");
    co_return sum;
  }
  Task<std::int64_t> call_cached_with_text(Ref<Shop> shop, std::int64_t count) const {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += co_await shop.cached(std::chrono::hours(1))->price_of("apples");
    co_return sum;
  }
  EPIC_ENTITY(Reader, methods(call, call_cached, call_with_text, call_cached_with_text), transient)
};

void compare_in_one_process() {
  static const EntityInfoFn entities[] = {&Shop::epic_info, &Reader::epic_info};
  const ModuleInfo module{EPIC_ABI_TAG, entities, &no_setup};
  const codec::CapnpCodec codec;
  test::SimFabric fabric({.nodes = 1}, module, codec);
  const Ref<Shop> shop("a");
  const auto patient = Ref<Reader>("r").with(std::chrono::hours(1));
  constexpr std::uint64_t kCount = 500'000;
  const auto side = [&](std::string name, auto make) {
    return bench::Side{std::move(name), [&fabric, make](std::uint64_t count) {
                         bench::keep(fabric.call(1, make(static_cast<std::int64_t>(count))));
                       }};
  };
  bench::compare({.title = "a method without arguments",
                  .subject = side("answered by a copy", [&](auto count) { return patient->call_cached(shop, count); }),
                  .yardstick = side("local call", [&](auto count) { return patient->call(shop, count); }),
                  .count = kCount});
  bench::compare(
      {.title = "a method with a short text as argument",
       .subject = side("answered by a copy", [&](auto count) { return patient->call_cached_with_text(shop, count); }),
       .yardstick = side("local call", [&](auto count) { return patient->call_with_text(shop, count); }),
       .count = kCount});
}

using bench_module::Caller;
using bench_module::Echo;

/// A caller on each node, an Echo on the same one, and one that all of them read.
struct FourNodes {
  struct OfNode {
    Ref<Caller> caller;
    Ref<Echo> near;
  };
  std::vector<OfNode> nodes;
  Ref<Echo> hot;
};

FourNodes find_callers(const bench::BenchFabric& fabric, const Client& client) {
  constexpr int kKeys = 64;
  for (int key = 0; key < kKeys; ++key) client.call(client.get<Caller>(key)->call_many(client.get<Echo>(key), 1));
  std::map<std::string, FourNodes::OfNode> found;  // by node
  for (const auto& [name, node] : fabric.list_nodes("Caller"))
    found[node].caller = client.get<Caller>(name.substr(name.find('/') + 1));
  for (const auto& [name, node] : fabric.list_nodes("Echo"))
    found[node].near = client.get<Echo>(name.substr(name.find('/') + 1));
  FourNodes four;
  for (const auto& [node, of_node] : found) {
    if (!of_node.caller || !of_node.near) throw std::runtime_error(fmt::format("{} has no entities", node));
    four.nodes.push_back(of_node);
  }
  if (four.nodes.size() != 4) throw std::runtime_error("the entities are not on four nodes");
  four.hot = client.get<Echo>("hot");
  return four;
}

/// All callers at once, each so many calls.
template <class Make>
void run_all(const Client& client, const FourNodes& four, Make make) {
  std::mutex mutex;
  std::condition_variable ended;
  std::size_t left = four.nodes.size();
  for (const FourNodes::OfNode& of_node : four.nodes)
    client.async_call(make(of_node), [&](epic::CallResult<std::int64_t> result) {
      bench::keep(result.get());
      const std::lock_guard lock(mutex);
      if (--left == 0) ended.notify_one();
    });
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return left == 0; });
}

void compare_on_four_nodes() {
  const bench::BenchFabric fabric(4);
  const Client client = fabric.connect();
  const FourNodes four = find_callers(fabric, client);
  const auto patient = [](const FourNodes::OfNode& of_node) { return of_node.caller.with(std::chrono::hours(1)); };
  const bench::Side cached{"answered by copies, at most 1 s old", [&](std::uint64_t count) {
                             run_all(client, four, [&](const auto& of_node) {
                               return patient(of_node)->call_cached(four.hot, static_cast<std::int64_t>(count));
                             });
                           }};
  const bench::Side local{"local calls of an entity on each node", [&](std::uint64_t count) {
                            run_all(client, four, [&](const auto& of_node) {
                              return patient(of_node)->call_many(of_node.near, static_cast<std::int64_t>(count));
                            });
                          }};
  const bench::Side remote{"calls of the hot entity", [&](std::uint64_t count) {
                             run_all(client, four, [&](const auto& of_node) {
                               return patient(of_node)->call_many(four.hot, static_cast<std::int64_t>(count));
                             });
                           }};
  constexpr std::uint64_t kCount = 1'000'000;
  const bench::Outcome outcome =
      bench::compare({.title = "one hot entity, read by an entity on each of 4 nodes at once: a read of each",
                      .subject = cached,
                      .yardstick = local,
                      .count = kCount});
  const bench::Timing uncached = bench::measure(remote, kCount / 500);
  bench::print_table({{"reads per second of each node", "", "of local calls"},
                      {local.name, fmt::format("{:.0f}", 1e9 / outcome.yardstick.median_ns), "1.00"},
                      {cached.name, fmt::format("{:.0f}", 1e9 / outcome.subject.median_ns),
                       fmt::format("{:.2f}", outcome.yardstick.median_ns / outcome.subject.median_ns)},
                      {remote.name, fmt::format("{:.0f}", 1e9 / uncached.median_ns),
                       fmt::format("{:.4f}", outcome.yardstick.median_ns / uncached.median_ns)}});
}

}  // namespace

int main() {
  bench::print_warnings();
  compare_on_four_nodes();
  compare_in_one_process();
}
