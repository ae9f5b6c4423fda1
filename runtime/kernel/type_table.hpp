#pragma once
// TypeTable: the entity classes that this node can run, and its numbering of their methods.
//
// Filled from modules before the first call. A method's number is its index in hello_methods(), which peers get once; a
// peer's own table maps its numbers to our methods.

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "epic/entity_info.hpp"
#include "epic/module.hpp"
#include "kernel/class_counters.hpp"
#include "kernel/messages.hpp"
#include "reflect/schema.hpp"

namespace epic::kernel {

struct TypeEntry {
  const reflect::EntityInfo* info = nullptr;
  reflect::Schema schema;        // of the state
  bool is_schema_saved = false;  // a batch of this node has carried it
  std::uint32_t method_base = 0;
  bool is_stored = false;               // has state, and is not transient
  bool is_gated = false;                // stored, and what leaves waits for it
  bool is_internal = false;             // the node's own class, which nobody is shown
  std::uint32_t local_max = 0;          // EntityInfo::local_max
  mutable ClassCounters counters = {};  // by those that only know what a class is
};

/// A method as a peer numbers it: the method here, and how the peer writes its arguments.
struct PeerMethod {
  const TypeEntry* type = nullptr;
  const reflect::MethodInfo* method = nullptr;  // null: this node has no such method
  std::string name;                             // "Player.enter_level", for errors
  std::optional<reflect::Schema> arguments;     // the writer's
  std::string arguments_error;                  // why the schema could not be read
  std::optional<reflect::Schema> result;        // none: void
};

/// The content of a peer's Hello.
struct PeerTable {
  std::vector<PeerMethod> methods;                                        // by its numbers
  std::unordered_map<const reflect::MethodInfo*, std::uint32_t> numbers;  // of our methods
  bool takes_broadcasts = false;
};

class TypeTable {
 public:
  /// Takes every class of the module, or none: the error names the classes that clash.
  [[nodiscard]] std::expected<void, std::string> add(const ModuleInfo& module);

  /// By current or former name; null if there is none.
  [[nodiscard]] TypeEntry* find(std::string_view type_name);
  /// The entity's class is local: calls of it run on the nodes of their callers.
  [[nodiscard]] bool is_local(std::string_view entity) const;
  /// The number of a method that the class has (EntityInfo::has).
  [[nodiscard]] std::uint32_t number_of(const TypeEntry& type, const reflect::MethodInfo& method) const;
  [[nodiscard]] const std::vector<MethodEntry>& hello_methods() const { return methods_; }
  /// Matches a peer's methods with ours, by name.
  [[nodiscard]] PeerTable resolve(const std::vector<MethodEntry>& methods);
  [[nodiscard]] const std::vector<std::unique_ptr<TypeEntry>>& all() const { return types_; }
  /// The name of an entity for people: with the current name of its class. Inside, entities have the stored one
  /// (EntityInfo::stored_name).
  [[nodiscard]] std::string shown(std::string_view entity) const;
  /// The stored name for any name of a class; unchanged if it is not a class here.
  [[nodiscard]] std::string_view stored_name(std::string_view type_name) const;
  /// The inverse of shown(): an entity's internal name, for the one that was typed.
  [[nodiscard]] std::string stored(std::string_view entity) const;
  /// "player" → "Player": the nearest name within two edits, or empty.
  [[nodiscard]] std::string nearest_type(std::string_view type_name) const;

 private:
  std::vector<std::unique_ptr<TypeEntry>> types_;
  std::unordered_map<std::string_view, TypeEntry*> by_name_;
  std::vector<MethodEntry> methods_;
  bool has_former_names_ = false;
};

/// The nearest of `candidates` within two edits of `word`; empty if there is none.
[[nodiscard]] std::string nearest_word(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace epic::kernel
