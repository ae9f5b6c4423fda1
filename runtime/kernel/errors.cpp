#include "kernel/errors.hpp"

#include <cxxabi.h>
#include <fmt/format.h>
#include <boost/describe/enum_to_string.hpp>
#include <boost/mp11/list.hpp>

#include <algorithm>
#include <any>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <typeinfo>
#include <variant>

#include "epic/call.hpp"
#include "kernel/kernel.hpp"
#include "kernel/limits.hpp"
#include "reflect/utf8.hpp"

namespace epic {

std::string_view to_string(ErrorCode code) { return boost::describe::enum_to_string(code, "unknown"); }

}  // namespace epic

namespace epic::kernel {

std::string readable_type(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 ? std::string(text.get()) : std::string(type.name());
}

namespace {

template <class E>
std::exception_ptr make_standard(const std::string& message) {
  if constexpr (std::is_constructible_v<E, const std::string&>)
    return std::make_exception_ptr(E(message));
  else
    return std::make_exception_ptr(E());
}

/// A user's class may have no text at all.
std::string_view text_of(const std::exception& error) {
  const char* const text = error.what();
  return text == nullptr ? std::string_view() : std::string_view(text);
}

/// An exception type that arrives as itself.
struct StandardType {
  std::string_view name;
  bool (*can_stand_for)(const std::exception&);  // a base of it that can have its text
  std::exception_ptr (*make)(const std::string& message);
};

template <class E>
constexpr StandardType standard(std::string_view name) {
  return {name,
          [](const std::exception& thrown) {
            if (dynamic_cast<const E*>(&thrown) == nullptr) return false;
            if constexpr (std::is_constructible_v<E, const std::string&>)
              return true;
            else
              return text_of(thrown) == text_of(E());
          },
          make_standard<E>};
}

/// Derived classes before their bases, so that the first match is the nearest.
constexpr StandardType kStandardTypes[] = {
    standard<std::invalid_argument>("std::invalid_argument"),
    standard<std::domain_error>("std::domain_error"),
    standard<std::length_error>("std::length_error"),
    standard<std::out_of_range>("std::out_of_range"),
    standard<std::logic_error>("std::logic_error"),
    standard<std::range_error>("std::range_error"),
    standard<std::overflow_error>("std::overflow_error"),
    standard<std::underflow_error>("std::underflow_error"),
    standard<std::runtime_error>("std::runtime_error"),
    standard<std::bad_array_new_length>("std::bad_array_new_length"),
    standard<std::bad_alloc>("std::bad_alloc"),
    standard<std::bad_any_cast>("std::bad_any_cast"),
    standard<std::bad_cast>("std::bad_cast"),
    standard<std::bad_typeid>("std::bad_typeid"),
    standard<std::bad_optional_access>("std::bad_optional_access"),
    standard<std::bad_variant_access>("std::bad_variant_access"),
    standard<std::bad_weak_ptr>("std::bad_weak_ptr"),
    standard<std::bad_function_call>("std::bad_function_call"),
    standard<std::bad_exception>("std::bad_exception"),
    standard<std::exception>("std::exception"),
};

const StandardType* find_standard(std::string_view name) {
  const auto* const found = std::ranges::find(kStandardTypes, name, &StandardType::name);
  return found == std::end(kStandardTypes) ? nullptr : found;
}

/// False for text of which people would see nothing: blanks, control and zero-width characters only.
bool is_visible(std::string_view text) {
  static constexpr std::string_view kBlanks[] = {"\u00a0", "\u00ad", "\u061c", "\u200b", "\u200c", "\u200d", "\u200e",
                                                 "\u200f", "\u2028", "\u2029", "\u202a", "\u202b", "\u202c", "\u202d",
                                                 "\u202e", "\u2060", "\u2066", "\u2067", "\u2068", "\u2069", "\ufeff"};
  while (!text.empty()) {
    const std::string_view character = text.substr(0, std::max<std::size_t>(reflect::utf8_length(text), 1));
    const auto first = static_cast<unsigned char>(character[0]);
    const bool is_control = first <= 0x20 || first == 0x7f ||
                            (first == 0xc2 && character.size() == 2 && static_cast<unsigned char>(character[1]) < 0xa0);
    if (!is_control && std::ranges::find(kBlanks, character) == std::end(kBlanks)) return true;
    text.remove_prefix(character.size());
  }
  return false;
}

/// At most `bytes` of it, up to the end of a character.
std::string_view front_of(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0U) == 0x80U) --bytes;
  return text.substr(0, bytes);
}

/// What `method` threw: the text, and what the text alone does not say if there is nothing to see or it was not UTF-8.
/// A text that is too long is truncated before anything looks at all of it.
std::string shown_text(std::string_view text, std::string_view type, std::string_view method) {
  constexpr std::size_t kNoteBytesMax = 64;  // so that a truncated text is not truncated again
  const bool is_long = text.size() > limits::kErrorTextBytesMax;
  const std::string_view front = is_long ? front_of(text, limits::kErrorTextBytesMax - kNoteBytesMax) : text;
  if (!is_visible(front))
    return method.empty() ? fmt::format("{}, without a message", type) : fmt::format("{} threw {}", method, type);
  const bool is_text = reflect::is_utf8(front);
  if (is_text && !is_long) return std::string(text);
  const std::string readable = is_text ? std::string(front) : reflect::to_utf8(front);  // up to three times as long
  const std::string prefix = is_text || method.empty() ? std::string() : fmt::format("{} threw {}: ", method, type);
  const std::size_t room =
      limits::kErrorTextBytesMax - kNoteBytesMax - std::min(prefix.size(), limits::kErrorTextBytesMax / 2);
  if (!is_long && readable.size() <= room) return prefix + readable;
  return fmt::format("{}{}… ({} bytes in all)", prefix, front_of(readable, room), text.size());
}

/// The documented family, in the order of how often they are made.
using Family =
    boost::mp11::mp_list<Unavailable, Overloaded, Timeout, NodeLost, Deadlock, Cancelled, NoSuchType, NoSuchMethod,
                         BadArguments, ActivationFailed, StateTooLarge, InternalError, Interrupted>;

template <class... E>
std::exception_ptr make_of(boost::mp11::mp_list<E...>, ErrorCode code, const std::string& message) {
  std::exception_ptr made;
  const auto try_make = [&](const auto& error) {
    if (error.code() == code) made = std::make_exception_ptr(error);
    return made != nullptr;
  };
  return (try_make(E(message)) || ...) ? made : std::make_exception_ptr(InternalError(message));
}

/// Of exactly one of these classes; user classes derived from one do not belong to the family.
template <class... E>
bool is_one_of(boost::mp11::mp_list<E...>, const Error& error) {
  return ((typeid(error) == typeid(E)) || ...);
}

}  // namespace

std::exception_ptr make_exception(ErrorCode code, const std::string& message, const std::string& exception_type) {
  if (code != ErrorCode::call_failed) return make_of(Family(), code, message);
  if (const StandardType* type = find_standard(exception_type)) return type->make(message);
  return std::make_exception_ptr(CallFailed(exception_type, message));
}

ErrorPart describe_thrown(const std::exception_ptr& thrown, std::string_view method) {
  try {
    std::rethrow_exception(thrown);
  } catch (const CallFailed& error) {
    return {ErrorCode::call_failed, error.type_name(), shown_text(text_of(error), error.type_name(), method)};
  } catch (const std::exception& error) {
    std::string type = readable_type(typeid(error));
    std::string text = shown_text(text_of(error), type, method);
    if (const auto* ours = dynamic_cast<const Error*>(&error);
        ours != nullptr && is_one_of(boost::mp11::mp_push_front<Family, Error>(), *ours))
      return {ours->code(), std::move(type), std::move(text)};
    if (type.starts_with("std::")) {
      const auto* const nearest =
          std::ranges::find_if(kStandardTypes, [&](const StandardType& known) { return known.can_stand_for(error); });
      if (nearest != std::end(kStandardTypes)) type = nearest->name;
    }
    return {ErrorCode::call_failed, std::move(type), std::move(text)};
  } catch (const char* text) {
    return {ErrorCode::call_failed, "const char*", shown_text(text == nullptr ? "" : text, "const char*", method)};
  } catch (const std::string& text) {
    return {ErrorCode::call_failed, "std::string", shown_text(text, "std::string", method)};
  } catch (...) {
    const std::type_info* info = abi::__cxa_current_exception_type();
    const std::string type = info == nullptr ? "an unknown type" : readable_type(*info);
    return {ErrorCode::call_failed, type, shown_text({}, type, method)};
  }
}

ErrorPart describe_failure(const std::exception_ptr& failure) {
  ErrorPart part = describe_thrown(failure);
  if (part.code != ErrorCode::call_failed) part.exception_type.clear();
  return part;
}

std::exception_ptr as_received(const std::exception_ptr& thrown, std::string_view method) {
  const ErrorPart part = describe_thrown(thrown, method);
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    const bool is_itself = readable_type(typeid(error)) == part.exception_type && part.message == text_of(error);
    const bool is_known = part.code != ErrorCode::call_failed || find_standard(part.exception_type) != nullptr;
    if (is_itself && is_known) return thrown;
  } catch (...) {
  }
  return make_exception(part.code, part.message, part.exception_type);
}

std::string describe_death(std::string_view running) {
  return running.empty() ? std::string() : fmt::format(". The node died while it ran {}", running);
}

}  // namespace epic::kernel

namespace epic::detail {

std::exception_ptr exception_of(const CallRecord& record) noexcept {
  const std::exception_ptr thrown = std::current_exception();
  if (record.method == nullptr) return thrown;
  const kernel::Kernel* const kernel = kernel::Kernel::current_kernel();
  const std::string entity = kernel == nullptr || !record.callee ? "" : kernel->types().shown(record.callee->text);
  return kernel::as_received(thrown, fmt::format("{}.{}", entity, record.method->name));
}

}  // namespace epic::detail
