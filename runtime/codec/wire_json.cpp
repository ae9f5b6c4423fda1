#include "codec/wire_json.hpp"

#include <boost/json/value.hpp>
#include <cstring>
#include <stdexcept>

namespace epic::codec {

using capnp::AnyPointer;
using capnp::AnyStruct;
using capnp::List;
using reflect::Kind;

WireTypes::WireTypes(const reflect::Schema& schema) : schema_(schema) {
  renew();
  for (const auto& node : schema.nodes()) {
    std::vector<SlotSize> sizes;
    for (const auto& part : node.parts) sizes.push_back(slot(part.type));
    const bool has_body = is_struct(node.kind) || node.kind == Kind::map;
    layouts_.push_back(has_body ? make_layout(node.kind, sizes) : StructLayout{});
  }
}

const Labels& WireTypes::labels(Index variant) {
  return labels_.get(&node(variant), [&] { return make_labels(schema_, variant); });
}

void WireTypes::renew() { elements_left_ = kDecodedBytesMax / sizeof(boost::json::value); }

void WireTypes::afford(std::size_t count) {
  if (count > elements_left_) throw std::length_error("the message holds more elements than fit into memory as JSON");
  elements_left_ -= count;
}

std::string_view WireView::text() const {
  const auto text = pointer_.getAs<capnp::Text>();
  return {text.begin(), text.size()};
}

std::span<const std::byte> WireView::bytes() const {
  const auto data = pointer_.getAs<capnp::Data>();
  return {reinterpret_cast<const std::byte*>(data.begin()), data.size()};
}

std::optional<std::string_view> WireView::find_enumerator(std::int64_t value) const {
  for (const auto& enumerator : node().enumerators)
    if (enumerator.value == value) return enumerator.name;
  return std::nullopt;
}

WireView WireView::member(WireTypes::Index index, Slot slot, kj::ArrayPtr<const kj::byte> data,
                          Pointers pointers) const {
  if (slot.size == SlotSize::pointer) return {*types_, index, read_pointer(pointers, slot)};
  return {*types_, index, read_slot(data, slot)};
}

std::optional<WireView> WireView::held() const {
  const AnyStruct::Reader in = body();
  const StructLayout& layout = types_->layout(index_);
  if (read_slot(in.getDataSection(), layout.slots[0]) == 0) return std::nullopt;
  return member(types_->part(index_, 0), layout.slots[1], in.getDataSection(), in.getPointerSection());
}

std::pair<std::string_view, WireView> WireView::alternative() const {
  const AnyStruct::Reader in = body();
  const StructLayout& layout = types_->layout(index_);
  const std::uint64_t index = read_slot(in.getDataSection(), layout.slots[0]);
  if (index >= node().parts.size()) throw std::out_of_range("a variant has no alternative of this number");
  return {types_->labels(index_)[index],
          member(types_->part(index_, index), layout.slots[index + 1], in.getDataSection(), in.getPointerSection())};
}

void WireView::each_field(reflect::FunctionRef<void(std::string_view, const WireView&)> visit) const {
  const AnyStruct::Reader in = body();
  const StructLayout& layout = types_->layout(index_);
  const auto& parts = node().parts;
  for (std::size_t i = 0; i < parts.size(); ++i)
    visit(parts[i].name, member(parts[i].type, layout.slots[i], in.getDataSection(), in.getPointerSection()));
}

template <class Number>
void WireView::each_number(reflect::FunctionRef<void(const WireView&)> visit) const {
  const auto list = pointer_.getAs<List<Number>>();
  types_->afford(list.size());
  for (const Number number : list) visit(WireView(*types_, types_->part(index_, 0), std::uint64_t{number}));
}

void WireView::each_element(reflect::FunctionRef<void(const WireView&)> visit) const {
  const WireTypes::Index element = types_->part(index_, 0);
  switch (types_->slot(element)) {
    case SlotSize::bit:
      return each_number<bool>(visit);
    case SlotSize::one_byte:
      return each_number<std::uint8_t>(visit);
    case SlotSize::two_bytes:
      return each_number<std::uint16_t>(visit);
    case SlotSize::four_bytes:
      return each_number<std::uint32_t>(visit);
    case SlotSize::eight_bytes:
      return each_number<std::uint64_t>(visit);
    case SlotSize::pointer:
      break;
  }
  if (is_struct(types_->node(element).kind)) {
    const auto list = read_struct_list(pointer_);
    types_->afford(list.size());
    for (const AnyStruct::Reader body : list) visit(WireView(*types_, element, body));
  } else {
    const auto list = read_pointer_list(pointer_);
    types_->afford(list.size());
    for (const AnyPointer::Reader pointer : list) visit(WireView(*types_, element, pointer));
  }
}

void WireView::each_entry(reflect::FunctionRef<void(const WireView&, const WireView&)> visit) const {
  const StructLayout& layout = types_->layout(index_);
  const auto list = read_struct_list(pointer_);
  types_->afford(list.size());
  for (const AnyStruct::Reader entry : list)
    visit(member(types_->part(index_, 0), layout.slots[0], entry.getDataSection(), entry.getPointerSection()),
          member(types_->part(index_, 1), layout.slots[1], entry.getDataSection(), entry.getPointerSection()));
}

void WireSink::set_bytes(const Bytes& bytes) {
  if (bytes.empty()) return;
  auto data = pointer_.initAs<capnp::Data>(static_cast<unsigned>(bytes.size()));
  std::memcpy(data.begin(), bytes.data(), bytes.size());
}

bool WireSink::try_set_text(std::string_view text) {
  if (text.empty()) return true;
  if (kind() == Kind::ref) {
    const std::size_t slash = text.find('/');
    if (slash == 0 || slash >= text.size() - 1) return false;
  }
  auto out = pointer_.initAs<capnp::Text>(static_cast<unsigned>(text.size()));
  std::memcpy(out.begin(), text.data(), text.size());
  return true;
}

AnyStruct::Builder WireSink::body() {
  if (!body_) {
    const StructLayout& layout = types_->layout(index_);
    body_ = pointer_.initAsAnyStruct(layout.data_words, layout.pointer_count);
  }
  return *body_;
}

WireSink WireSink::member(WireTypes::Index index, Slot slot, AnyStruct::Builder around) const {
  if (slot.size == SlotSize::pointer) return {*types_, index, around.getPointerSection()[slot.offset]};
  return {*types_, index, [data = around.getDataSection(), slot](std::uint64_t bits) { write_slot(data, slot, bits); }};
}

WireSink WireSink::emplace() {
  const StructLayout& layout = types_->layout(index_);
  write_slot(body().getDataSection(), layout.slots[0], 1);
  return member(types_->part(index_, 0), layout.slots[1], body());
}

WireSink WireSink::emplace_alternative(std::size_t index) {
  const StructLayout& layout = types_->layout(index_);
  write_slot(body().getDataSection(), layout.slots[0], index);
  return member(types_->part(index_, index), layout.slots[index + 1], body());
}

std::vector<std::string_view> WireSink::field_names() const {
  std::vector<std::string_view> names;
  for (const auto& part : node().parts) names.push_back(part.name);
  return names;
}

std::optional<std::size_t> WireSink::find_field(std::string_view name) const {
  for (std::size_t i = 0; i < node().parts.size(); ++i)
    if (node().parts[i].name == name) return i;
  return std::nullopt;
}

WireSink WireSink::field(std::size_t index) {
  return member(types_->part(index_, index), types_->layout(index_).slots[index], body());
}

template <class Number>
bool WireSink::assign_numbers(unsigned count, reflect::FunctionRef<bool(WireSink)> read) {
  auto list = pointer_.initAs<List<Number>>(count);
  for (unsigned i = 0; i < count; ++i) {
    const auto set = [&list, i](std::uint64_t bits) { list.set(i, static_cast<Number>(bits)); };
    if (!read(WireSink(*types_, types_->part(index_, 0), set))) return false;
  }
  return true;
}

bool WireSink::assign(std::size_t total, reflect::FunctionRef<bool(WireSink)> read) {
  if (total == 0) return true;
  const auto count = static_cast<unsigned>(total);
  const WireTypes::Index element = types_->part(index_, 0);
  switch (types_->slot(element)) {
    case SlotSize::bit:
      return assign_numbers<bool>(count, read);
    case SlotSize::one_byte:
      return assign_numbers<std::uint8_t>(count, read);
    case SlotSize::two_bytes:
      return assign_numbers<std::uint16_t>(count, read);
    case SlotSize::four_bytes:
      return assign_numbers<std::uint32_t>(count, read);
    case SlotSize::eight_bytes:
      return assign_numbers<std::uint64_t>(count, read);
    case SlotSize::pointer:
      break;
  }
  if (is_struct(types_->node(element).kind)) {
    const StructLayout& layout = types_->layout(element);
    auto list = pointer_.initAsListOfAnyStruct(layout.data_words, layout.pointer_count, count);
    for (unsigned i = 0; i < count; ++i)
      if (!read(WireSink(*types_, element, list[i]))) return false;
  } else {
    auto list = pointer_.initAsAnyList(capnp::ElementSize::POINTER, count).as<List<AnyPointer>>();
    for (unsigned i = 0; i < count; ++i)
      if (!read(WireSink(*types_, element, list[i]))) return false;
  }
  return true;
}

bool WireSink::assign_entries(std::size_t total, reflect::FunctionRef<bool(WireSink, WireSink)> read) {
  if (total == 0) return true;
  const StructLayout& layout = types_->layout(index_);
  auto list = pointer_.initAsListOfAnyStruct(layout.data_words, layout.pointer_count, static_cast<unsigned>(total));
  for (unsigned i = 0; i < total; ++i)
    if (!read(member(types_->part(index_, 0), layout.slots[0], list[i]),
              member(types_->part(index_, 1), layout.slots[1], list[i])))
      return false;
  return true;
}

}  // namespace epic::codec
