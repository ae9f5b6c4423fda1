#pragma once
// ActivationTable: the activations of a node, by name and by shard.
//
// A name carries a shortcut (slot and generation), so a call between two live entities needs no look-up; a shortcut to
// a destroyed instance is recognised by its generation. Slots come in blocks, which are freed when empty. The index by
// text is many small hash tables, because one large one would stall the node for a tenth of a second each time it
// grows. The activations of a shard form a list, so that work on a shard costs only its own activations.
//
// Instances of local classes belong to no shard, and are not found by name, as several have the same
// (local_instances.hpp).
//
// Invariant: at most one activation of a name in a table, except in no_shard().

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "kernel/activations/activation.hpp"

namespace epic::kernel {

class ActivationTable {
 public:
  ActivationTable(std::uint32_t kernel_tag, std::size_t shard_count);
  ~ActivationTable();
  ActivationTable(const ActivationTable&) = delete;
  ActivationTable& operator=(const ActivationTable&) = delete;

  /// By the name's shortcut, or else by its text. Null if the entity is not in memory here.
  [[nodiscard]] Activation* find(detail::EntityName& name) {
    if (name.kernel_tag == kernel_tag_) {
      const std::unique_ptr<Block>& block = blocks_[name.slot / kBlockSlots];
      Activation* const activation = block == nullptr ? nullptr : &(*block)[name.slot % kBlockSlots];
      if (activation != nullptr && activation->id.generation == name.generation) return activation;
    }
    return find_by_text(name);
  }
  [[nodiscard]] Activation* find(std::string_view name) const;
  [[nodiscard]] Activation* find(ActivationId id) const {
    Activation* const activation = id.slot < slot_count() ? at(id.slot) : nullptr;
    return activation != nullptr && activation->id == id ? activation : nullptr;
  }
  Activation& add(detail::NamePtr name, ShardId shard);
  /// The shard that stands for none, for instances of local classes.
  [[nodiscard]] ShardId no_shard() const { return ShardId{static_cast<std::uint32_t>(shards_.size() - 1)}; }
  void remove(Activation& activation);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t slot_count() const { return blocks_.size() * kBlockSlots; }
  /// Null for a free slot.
  [[nodiscard]] Activation* at(std::size_t slot) const {
    const std::unique_ptr<Block>& block = blocks_[slot / kBlockSlots];
    Activation* const activation = block == nullptr ? nullptr : &(*block)[slot % kBlockSlots];
    return activation != nullptr && activation->id.generation != 0 ? activation : nullptr;
  }
  /// In the order in which they were added. `visit` may remove the one that it is given, and no other.
  template <class Visit>
  void for_each_of(ShardId shard, Visit&& visit) {
    for (std::uint32_t slot = shards_[shard.value].first; slot != Activation::kNoSlot;) {
      Activation& activation = *at(slot);
      slot = activation.in_shard.next;
      visit(activation);
    }
  }
  [[nodiscard]] std::size_t count_of(ShardId shard) const { return shards_[shard.value].count; }

 private:
  static constexpr std::size_t kBlockSlots = 128;
  using Block = std::array<Activation, kBlockSlots>;
  struct ShardList {
    std::uint32_t first = Activation::kNoSlot;
    std::uint32_t last = Activation::kNoSlot;
    std::uint32_t count = 0;
  };
  /// One bit per free slot.
  using Free = std::array<std::uint64_t, kBlockSlots / 64>;
  static constexpr Free kAllFree{UINT64_MAX, UINT64_MAX};
  static constexpr Free kNoneFree{};
  struct Index;

  [[nodiscard]] Activation* find_by_text(detail::EntityName& name);
  void add_name(Activation& activation);
  void remove_name(const Activation& activation);
  [[nodiscard]] std::uint32_t take_slot();
  void give_back(std::uint32_t slot);

  std::uint32_t kernel_tag_;
  std::uint32_t next_generation_ = 1;
  std::size_t size_ = 0;
  std::vector<std::unique_ptr<Block>> blocks_;  // null: freed
  std::vector<Free> free_;                      // by block
  std::vector<std::uint32_t> with_room_;        // blocks that have a free slot
  std::size_t empty_blocks_ = 0;                // kept for the next ones
  std::vector<ShardList> shards_;               // and no_shard()
  std::unique_ptr<Index> index_;
};

}  // namespace epic::kernel
