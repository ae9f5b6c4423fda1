#include "kernel/activations/activation_table.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <boost/unordered/unordered_flat_set.hpp>

#include "kernel/assert.hpp"

namespace epic::kernel {

namespace {

constexpr std::size_t kEmptyBlocksMax = 4;

struct Entry {
  std::uint32_t slot;
  std::uint32_t hash;  // so that a growing table touches only itself
};
struct Wanted {
  std::string_view text;
  std::uint32_t hash;
};
struct Hash {
  using is_transparent = void;
  std::size_t operator()(const Entry& entry) const { return entry.hash; }
  std::size_t operator()(const Wanted& wanted) const { return wanted.hash; }
};
struct Equal {
  using is_transparent = void;
  const ActivationTable* table;
  bool operator()(const Entry& left, const Entry& right) const {
    return left.hash == right.hash && table->at(left.slot)->name->text == table->at(right.slot)->name->text;
  }
  bool operator()(const Wanted& wanted, const Entry& entry) const {
    return wanted.hash == entry.hash && table->at(entry.slot)->name->text == wanted.text;
  }
  bool operator()(const Entry& entry, const Wanted& wanted) const { return (*this)(wanted, entry); }
};

}  // namespace

/// Parts by the upper half of the hash; within a part the lower half is used.
struct ActivationTable::Index {
  using Part = boost::unordered_flat_set<Entry, Hash, Equal>;
  static constexpr std::size_t kPartCount = 64;

  explicit Index(const ActivationTable& table) {
    parts.reserve(kPartCount);
    for (std::size_t i = 0; i < kPartCount; ++i) parts.emplace_back(0, Hash{}, Equal{&table});
  }
  [[nodiscard]] Part& part_of(std::uint64_t hash) { return parts[(hash >> 32) % kPartCount]; }
  std::vector<Part> parts;
};

ActivationTable::ActivationTable(std::uint32_t kernel_tag, std::size_t shard_count)
    : kernel_tag_(kernel_tag), shards_(shard_count + 1), index_(std::make_unique<Index>(*this)) {}

ActivationTable::~ActivationTable() = default;

Activation* ActivationTable::find(std::string_view name) const {
  const std::uint64_t hash = XXH3_64bits(name.data(), name.size());
  const Index::Part& part = index_->part_of(hash);
  const auto found = part.find(Wanted{name, static_cast<std::uint32_t>(hash)});
  return found == part.end() ? nullptr : at(found->slot);
}

Activation* ActivationTable::find_by_text(detail::EntityName& name) {
  Activation* activation = find(name.text);
  if (activation != nullptr) {
    name.kernel_tag = kernel_tag_;
    name.slot = activation->id.slot;
    name.generation = activation->id.generation;
  }
  return activation;
}

Activation& ActivationTable::add(detail::NamePtr name, ShardId shard) {
  const std::uint32_t slot = take_slot();
  Activation& activation = (*blocks_[slot / kBlockSlots])[slot % kBlockSlots];
  activation.id = {slot, next_generation_++};
  if (next_generation_ == 0) next_generation_ = 1;  // 0 is a free slot
  activation.name = std::move(name);
  activation.shard = shard;
  if (shard != no_shard()) add_name(activation);

  ShardList& list = shards_[shard.value];
  activation.in_shard.previous = list.last;
  (list.last == Activation::kNoSlot ? list.first : at(list.last)->in_shard.next) = slot;
  list.last = slot;
  ++list.count;
  ++size_;
  return activation;
}

void ActivationTable::add_name(Activation& activation) {
  detail::EntityName& name = *activation.name;
  name.kernel_tag = kernel_tag_;
  name.slot = activation.id.slot;
  name.generation = activation.id.generation;
  const std::uint64_t hash = XXH3_64bits(name.text.data(), name.text.size());
  const bool is_new = index_->part_of(hash).insert(Entry{activation.id.slot, static_cast<std::uint32_t>(hash)}).second;
  EPIC_ASSERT(is_new, "{} would be activated twice", name.text);
}

void ActivationTable::remove_name(const Activation& activation) {
  const std::uint64_t hash = XXH3_64bits(activation.name->text.data(), activation.name->text.size());
  Index::Part& part = index_->part_of(hash);
  part.erase(part.find(Wanted{activation.name->text, static_cast<std::uint32_t>(hash)}));
  if (part.bucket_count() > 1024 && part.size() < part.bucket_count() / 8) part.rehash(0);  // a burst is over
}

void ActivationTable::remove(Activation& activation) {
  if (activation.shard != no_shard()) remove_name(activation);
  const auto [previous, next] = activation.in_shard;
  ShardList& list = shards_[activation.shard.value];
  (previous == Activation::kNoSlot ? list.first : at(previous)->in_shard.next) = next;
  (next == Activation::kNoSlot ? list.last : at(next)->in_shard.previous) = previous;
  --list.count;
  --size_;
  give_back(activation.id.slot);
}

std::uint32_t ActivationTable::take_slot() {
  if (with_room_.empty()) {
    with_room_.push_back(static_cast<std::uint32_t>(blocks_.size()));
    blocks_.emplace_back();
    free_.push_back(kAllFree);
  }
  const std::uint32_t number = with_room_.back();
  Free& free = free_[number];
  if (blocks_[number] == nullptr)
    blocks_[number] = std::make_unique_for_overwrite<Block>();
  else if (free == kAllFree)
    --empty_blocks_;
  const std::size_t word = free[0] != 0 ? 0 : 1;
  const auto bit = static_cast<std::size_t>(std::countr_zero(free[word]));
  free[word] &= free[word] - 1;
  if (free == kNoneFree) with_room_.pop_back();
  return static_cast<std::uint32_t>(number * kBlockSlots + word * 64 + bit);
}

void ActivationTable::give_back(std::uint32_t slot) {
  const auto number = static_cast<std::uint32_t>(slot / kBlockSlots);
  const std::size_t place = slot % kBlockSlots;
  Free& free = free_[number];
  Activation& activation = (*blocks_[number])[place];
  std::destroy_at(&activation);
  std::construct_at(&activation);
  if (free == kNoneFree) with_room_.push_back(number);
  free[place / 64] |= std::uint64_t{1} << place % 64;
  if (free != kAllFree) return;
  if (empty_blocks_ == kEmptyBlocksMax)
    blocks_[number].reset();
  else
    ++empty_blocks_;
}

}  // namespace epic::kernel
