#include "cli/commands/mail_table.hpp"

#include <fmt/format.h>

#include <string_view>

namespace epic::cli {
namespace {

constexpr Column kMailTableColumns[] = {
    {"ID", "id"},   {"STATUS", "status", Show::state}, {"FROM", "from"},
    {"TO", "call"}, {"SENT", "sent_at", Show::time},   {"WHY", "first_line"},
};

}  // namespace

MailTable::MailTable(Console& console) : console_(console), table_(console, kMailTableColumns) {}

void MailTable::add(boost::json::object message) {
  if (!console_.is_json()) {
    message["call"] = fmt::format("{}.{}", std::string_view(message.at("to").as_string()),
                                  std::string_view(message.at("method").as_string()));
    if (const auto* why = message.at("why").if_string())
      message["first_line"] = std::string_view(*why).substr(0, std::string_view(*why).find('\n'));
  }
  table_.add(std::move(message));
}

}  // namespace epic::cli
