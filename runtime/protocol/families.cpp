// The tables of all messages. Each takes the compiler a second, and many files send and read them.

#include "epic/values.hpp"
#include "protocol/machines.hpp"
#include "protocol/peers.hpp"
#include "protocol/supervision.hpp"

namespace epic::reflect {

template const TypeInfo& type_of<protocol::PeerMessage>();
template const TypeInfo& type_of<protocol::ToNode>();
template const TypeInfo& type_of<protocol::FromNode>();
template const TypeInfo& type_of<protocol::ToMachine>();
template const TypeInfo& type_of<protocol::FromMachine>();

}  // namespace epic::reflect
