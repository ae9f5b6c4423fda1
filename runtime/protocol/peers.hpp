#pragma once
// PeerMessage: what nodes and clients say to each other. The structs are the kernel's (kernel/messages.hpp).

#include <variant>

#include "epic/values/table.hpp"
#include "kernel/messages.hpp"

namespace epic::protocol {

/// What one process may send another over a transport: the kernel's messages, and a node's newest map for its clients.
/// The first on a connection is a Hello.
using PeerMessage = std::variant<kernel::HelloMessage, kernel::CallMessage, kernel::ReplyMessage, kernel::ShardMap,
                                 kernel::ProbeMessage, kernel::DeadlockMessage, kernel::CancelMessage,
                                 kernel::MailHintMessage, kernel::BroadcastMessage, kernel::EndedMessage>;

}  // namespace epic::protocol

// Their tables are made in one place (families.cpp), not in each file that sends or reads them.
extern template const epic::reflect::TypeInfo& epic::reflect::type_of<epic::protocol::PeerMessage>();
