#include "kernel/lister.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "epic/epic.hpp"
#include "kernel/kernel_scope.hpp"
#include "kernel/placement.hpp"

namespace epic::kernel {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSlotsPerTurn = 4096;
constexpr auto kAskAgain = 50ms;
constexpr int kRoundsMax = 400;  // of asking: 20 s without any answer

using Found = std::map<std::string, ShardId, std::less<>>;  // by key

void keep(Found& found, std::string_view key, ShardId shard, std::size_t limit) {
  if (found.size() == limit) {
    if (key >= std::prev(found.end())->first) return;
    found.emplace(key, shard);
    if (found.size() > limit) found.erase(std::prev(found.end()));
    return;
  }
  found.emplace(key, shard);
}

/// The one whose entity belongs to this shard.
Ref<Lister> find_lister(ShardId shard, const Placement& placement) {
  for (std::uint64_t number = 0;; ++number) {
    const std::string key = std::to_string(number);
    if (placement.shard_of(kListerType, key) == shard) return Ref<Lister>(key);
  }
}

/// The shards that each node owns, by the map; those without an owner are in none.
std::map<PeerAddress, std::vector<std::uint32_t>> group_by_owner(const Kernel& kernel,
                                                                 const std::set<std::uint32_t>& shards) {
  std::map<PeerAddress, std::vector<std::uint32_t>> groups;
  for (const std::uint32_t shard : shards)
    if (const PeerAddress owner = kernel.routing().owner_of(ShardId{shard}); owner.life != 0)
      groups[owner].push_back(shard);
  return groups;
}

}  // namespace

Task<ListPage> Lister::page(std::string type, std::string prefix, std::string after, std::uint32_t limit) const {
  const Kernel& kernel = here("epic::list");
  const std::uint32_t shard_count = kernel.options().placement.shard_count();
  std::set<std::uint32_t> missing;
  for (std::uint32_t shard = 0; shard < shard_count; ++shard) missing.insert(shard);
  std::set<std::string> keys;
  std::string why;  // some have not answered
  for (int round = 0; !missing.empty(); ++round) {
    if (round == kRoundsMax)
      throw Unavailable(fmt::format("the entities of {} were not listed: {} of {} shards have not answered{}", type,
                                    missing.size(), shard_count, why.empty() ? "" : ": " + why));
    if (round > 0) co_await epic::sleep(kAskAgain);
    std::vector<Spawned<ListPart>> asked;
    for (auto& [owner, shards] : group_by_owner(kernel, missing)) {
      const Ref<Lister> lister = find_lister(ShardId{shards.front()}, kernel.options().placement);
      asked.push_back(epic::spawn(lister->part(type, prefix, after, limit + 1, shards)));
    }
    for (Spawned<ListPart>& one : asked) {
      try {
        const ListPart part = co_await one;
        for (const std::uint32_t shard : part.shards) missing.erase(shard);
        keys.insert(part.keys.begin(), part.keys.end());
      } catch (const NodeLost& error) {  // its shards are asked for again, at their next owners
        why = error.what();
      } catch (const Unavailable& error) {
        why = error.what();
      }
    }
  }
  ListPage page;
  for (const std::string& key : keys) {
    if (page.keys.size() == limit) {
      page.next = page.keys.back();
      break;
    }
    page.keys.push_back(key);
  }
  co_return page;
}

Task<ListPart> Lister::part(std::string type, std::string prefix, std::string after, std::uint32_t limit,
                            std::vector<std::uint32_t> shards) const {
  Kernel& kernel = here("epic::list");
  const TypeEntry* const entry = kernel.types().find(type);
  if (entry == nullptr)
    throw NoSuchType(fmt::format("entities of '{}' were not listed: the nodes have no such class", type));
  StoredKeysQuery query{.type = std::string(entry->info->stored_name()),
                        .prefix = prefix,
                        .after = after,
                        .limit = limit,
                        .shards = std::vector<bool>(kernel.options().placement.shard_count())};
  for (const std::uint32_t shard : shards)
    if (shard < query.shards.size() && kernel.routing().is_active(ShardId{shard})) query.shards[shard] = true;

  Found found;
  for (std::size_t slot = 0; slot < kernel.activations().slot_count(); ++slot) {
    if (slot % kSlotsPerTurn == kSlotsPerTurn - 1) co_await epic::sleep(1ns);
    const Activation* const activation = kernel.activations().at(slot);
    if (activation == nullptr || activation->entity == nullptr || activation->type != entry) continue;
    const std::string_view key = activation->name->key();
    if (key > after && key.starts_with(prefix) && activation->shard.value < query.shards.size() &&
        query.shards[activation->shard.value])
      keep(found, key, activation->shard, limit);
  }
  if (kernel.options().list_stored_keys) {
    const auto stored =
        co_await epic::blocking_pure([list = kernel.options().list_stored_keys, query] { return list(query); });
    if (!stored.error.empty())
      throw Unavailable(fmt::format("the entities of {} were not listed: {}", type, stored.error));
    for (const auto& [key, shard] : stored.keys) keep(found, key, shard, limit);
  }

  ListPart part;
  bool has_left = false;
  for (const std::uint32_t shard : shards) {
    if (shard >= query.shards.size() || !query.shards[shard]) continue;
    query.shards[shard] = kernel.routing().is_active(ShardId{shard});
    if (query.shards[shard])
      part.shards.push_back(shard);
    else
      has_left = true;
  }
  // Keys of what has left may have taken the places of others: those are asked for again, too.
  if (has_left && found.size() == limit) co_return ListPart();
  for (const auto& [key, shard] : found)
    if (query.shards[shard.value]) part.keys.push_back(key);
  co_return part;
}

std::expected<void, std::string> add_lister(TypeTable& types) {
  if (types.find(kListerType) != nullptr) return {};
  static constexpr EntityInfoFn kClasses[] = {&Lister::epic_info};
  auto added = types.add({.abi_tag = EPIC_ABI_TAG, .entities = kClasses, .setup = nullptr});
  if (added) types.find(kListerType)->is_internal = true;
  return added;
}

}  // namespace epic::kernel

namespace epic::detail {

Call<ListPage> list_keys(std::string_view type, std::string_view prefix, const ListOptions& options) {
  if (options.limit == 0 || options.limit > kListLimitMax)
    throw std::invalid_argument(
        fmt::format("epic: a page of epic::list has 1 to {} keys, not {}", kListLimitMax, options.limit));
  return Ref<kernel::Lister>(type)->page(std::string(type), std::string(prefix), options.after,
                                         static_cast<std::uint32_t>(options.limit));
}

}  // namespace epic::detail
