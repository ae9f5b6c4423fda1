#include "kernel/calls/call_chains.hpp"

#include <algorithm>
#include <vector>

#include "kernel/placement.hpp"

namespace epic::kernel {

const Record* CallChains::find_holder(const Record& record, const Activation& activation) const {
  if (activation.lock.holder_count() == 0) return nullptr;
  for (const Record* link = &record; link != nullptr; link = link->caller) {
    if (link->holds_lock && activation_of(link) == &activation) return link;
    if (link->site == nullptr) continue;
    for (const ChainLink& remote : link->site->links()) {
      if (activation.lock.holder_count() > 1 && types_.stored(remote.entity) != activation.name->text) continue;
      const Record* found = nullptr;
      activation.lock.for_each_holder([&](const Record& holder) {
        if (words_.id_of(holder) == remote.id) found = &holder;
      });
      if (found != nullptr) return found;
    }
  }
  return nullptr;
}

bool CallChains::holds_up_a_move(const Record& record) const {
  const auto is_closed = [this](std::string_view entity) {
    return !types_.is_local(entity) && routing_.is_closed(placement_.shard_of(entity));
  };
  for (const Record* link = &record; link != nullptr; link = link->caller) {
    if (link != &record && link->callee && is_closed(link->callee->text)) return true;
    if (link->site != nullptr && std::ranges::any_of(link->site->links(), [&](const ChainLink& remote) {
          return remote.entity.contains('/') && is_closed(types_.stored(remote.entity));
        }))
      return true;
  }
  return false;
}

bool CallChains::is_awaited_by(const Record& record, const Activation& activation) const {
  if (activation.state != Activation::State::ending) return false;
  std::vector<ChainLink> chain = words_.chain_of(&record);
  chain.pop_back();  // the call itself
  return std::ranges::any_of(
      chain, [&](const ChainLink& link) { return types_.stored(link.entity) == activation.name->text; });
}

}  // namespace epic::kernel
