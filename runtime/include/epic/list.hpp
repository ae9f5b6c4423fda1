#pragma once
// list(): the keys of the entities of a class that exist, a page at a time, as `epic ls` shows them.
//
//   epic::ListPage page = co_await epic::list<Player>("Bob");              // by the beginning of the key
//   for (const std::string& key : page.keys) …                             // epic::Ref<Player>(key)
//   page = co_await epic::list<Player>("Bob", {.after = page.next});       // until page.next is empty
//
// It is a call: awaited by entities, given to gather or spawn, and made by clients,
// `client.call(epic::list<Player>("Bob"))`. None of the entities is activated. An entity exists if it has saved state,
// or is in memory. Keys come in the order of their bytes, each once, over all nodes. A page is gathered while the
// fabric goes on: what exists from the first page to the last is listed, what comes or goes meanwhile may be. One that
// is in memory and not saved yet may be gone after a crash.
//
// Cost: each node walks what it has in memory for each page. Larger pages are cheaper than many.

#include <boost/describe/class.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "epic/call.hpp"
#include "epic/entity.hpp"

namespace epic {

/// The most that a page has.
inline constexpr std::size_t kListLimitMax = 1000;

struct ListPage {
  std::vector<std::string> keys;
  std::string next;  // for ListOptions::after; empty: nothing follows
};
BOOST_DESCRIBE_STRUCT(ListPage, (), (keys, next))

struct ListOptions {
  std::string after = {};  // only keys that come after this one
  std::size_t limit = kListLimitMax;
};

namespace detail {
/// `type`: the stored name.
Call<ListPage> list_keys(std::string_view type, std::string_view prefix, const ListOptions& options);
}  // namespace detail

/// Entities of class T itself, not of those derived from it. Throws std::invalid_argument for a limit of 0, or above
/// kListLimitMax. The call ends with Unavailable if shards stay without an owner.
template <class T>
[[nodiscard]] Call<ListPage> list(std::string_view prefix = {}, const ListOptions& options = {}) {
  constexpr bool is_entity = std::is_base_of_v<Entity, T>;
  static_assert(is_entity, "epic: list takes a class of entities, as in epic::list<Player>()");
  constexpr bool is_placed = [] {
    if constexpr (requires { T::epic_is_local; })
      return !T::epic_is_local;
    else
      return true;
  }();
  static_assert(is_placed,
                "epic: list takes a class whose entities are placed: one with local(n) has instances on every node");
  if constexpr (is_entity && is_placed)
    return detail::list_keys(T::epic_type_name(), prefix, options);
  else
    return Call<ListPage>({});
}

}  // namespace epic
