#pragma once
// PgParams, PgColumn: what a statement is given, in PostgreSQL's binary format.
//
// A value never becomes part of a statement's text. Many rows are one statement with an array for each column, which
// the statement turns into rows (unnest); so their number changes neither the text nor the round trips.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace epic::storage {

/// An array: int4[], int8[] or bytea[], as the first value that is added decides. Names and texts are bytea, because
/// they may have any bytes, and are ordered by them.
class PgColumn {
 public:
  enum class Type : std::uint8_t { int4, int8, bytea };
  explicit PgColumn(Type type) : type_(type) {}

  void add(std::uint32_t value);  // to an int4[]
  void add(std::int64_t value);   // to an int8[]
  void add(std::string_view text);
  void add(std::span<const std::byte> bytes);
  [[nodiscard]] std::size_t size() const { return count_; }
  /// As it is sent.
  [[nodiscard]] std::string encoded() const;

 private:
  Type type_;
  std::uint32_t count_ = 0;
  std::string elements_;
};

/// In the order of $1, $2, …
class PgParams {
 public:
  PgParams& add(std::uint32_t value);
  PgParams& add(std::int64_t value);
  PgParams& add(std::string_view text);
  PgParams& add(std::span<const std::byte> bytes);
  PgParams& add(const PgColumn& column);

  [[nodiscard]] int size() const { return static_cast<int>(values_.size()); }
  [[nodiscard]] const std::string& value(std::size_t place) const { return values_[place]; }

 private:
  std::vector<std::string> values_;
};

}  // namespace epic::storage
