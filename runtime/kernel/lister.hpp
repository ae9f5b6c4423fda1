#pragma once
// Lister: the entities behind epic::list. They are ordinary ones of a class that every node has beside its module's, so
// calls find them wherever their shards are, from entities and clients, and in simulations.
//
// A page is gathered by one of them: it asks one on each node, which is named so that one of the node's shards has it,
// for the first keys of the shards that the map gives to that node. Each answers for those that it owned from the
// beginning to the end, and the others are asked for again. So each shard counts once, also while shards move. If more
// keys were found than a part has, and one of the shards has left, it answers for none.
//
// A part is what is in memory, walked in slices, and then what is stored: an entity that is saved and leaves memory
// in between is found twice and counts once.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "epic/entity_macro.hpp"
#include "epic/list.hpp"
#include "kernel/type_table.hpp"

namespace epic::kernel {

/// No class of a module has this name: what it stands for is not an identifier.
inline constexpr const char* kListerType = "epic.Lister";

struct ListPart {
  std::vector<std::string> keys;      // the first ones, of these shards:
  std::vector<std::uint32_t> shards;  // those that were asked for and are owned here
};
BOOST_DESCRIBE_STRUCT(ListPart, (), (keys, shards))

class Lister : public Entity {
 public:
  Task<ListPage> page(std::string type, std::string prefix, std::string after, std::uint32_t limit) const;
  Task<ListPart> part(std::string type, std::string prefix, std::string after, std::uint32_t limit,
                      std::vector<std::uint32_t> shards) const;
  EPIC_ENTITY(Lister, methods(page, part), transient, named("epic.Lister"))
};

/// After the module's own classes. Once.
[[nodiscard]] std::expected<void, std::string> add_lister(TypeTable& types);

}  // namespace epic::kernel
