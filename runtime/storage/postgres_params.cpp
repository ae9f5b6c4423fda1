#include "storage/postgres_params.hpp"

#include "kernel/assert.hpp"

namespace epic::storage {

namespace {

constexpr std::uint32_t kOidBytea = 17;
constexpr std::uint32_t kOidInt8 = 20;
constexpr std::uint32_t kOidInt4 = 23;

/// Big-endian.
template <class Number>
void append_number(std::string& text, Number number) {
  for (int shift = static_cast<int>(sizeof(Number)) * 8 - 8; shift >= 0; shift -= 8)
    text.push_back(static_cast<char>(static_cast<std::uint64_t>(number) >> shift & 0xff));
}

std::uint32_t oid_of(PgColumn::Type type) {
  switch (type) {
    case PgColumn::Type::int4:
      return kOidInt4;
    case PgColumn::Type::int8:
      return kOidInt8;
    case PgColumn::Type::bytea:
      break;
  }
  return kOidBytea;
}

std::string_view text_in(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void PgColumn::add(std::uint32_t value) {
  EPIC_ASSERT(type_ == Type::int4, "a 32-bit number in a column of another type");
  append_number(elements_, std::uint32_t{sizeof(value)});
  append_number(elements_, value);
  ++count_;
}

void PgColumn::add(std::int64_t value) {
  EPIC_ASSERT(type_ == Type::int8, "a 64-bit number in a column of another type");
  append_number(elements_, std::uint32_t{sizeof(value)});
  append_number(elements_, value);
  ++count_;
}

void PgColumn::add(std::string_view text) {
  EPIC_ASSERT(type_ == Type::bytea, "bytes in a column of another type");
  append_number(elements_, static_cast<std::uint32_t>(text.size()));
  elements_ += text;
  ++count_;
}

void PgColumn::add(std::span<const std::byte> bytes) { add(text_in(bytes)); }

std::string PgColumn::encoded() const {
  std::string text;
  text.reserve(20 + elements_.size());
  append_number(text, std::uint32_t{count_ > 0 ? 1U : 0U});  // dimensions
  append_number(text, std::uint32_t{0});                     // none is null
  append_number(text, oid_of(type_));
  if (count_ == 0) return text;
  append_number(text, count_);
  append_number(text, std::uint32_t{1});  // where it begins to count
  return text + elements_;
}

PgParams& PgParams::add(std::uint32_t value) {
  append_number(values_.emplace_back(), value);
  return *this;
}

PgParams& PgParams::add(std::int64_t value) {
  append_number(values_.emplace_back(), value);
  return *this;
}

PgParams& PgParams::add(std::string_view text) {
  values_.emplace_back(text);
  return *this;
}

PgParams& PgParams::add(std::span<const std::byte> bytes) { return add(text_in(bytes)); }

PgParams& PgParams::add(const PgColumn& column) {
  values_.push_back(column.encoded());
  return *this;
}

}  // namespace epic::storage
