// The names of classes, kinds and reasons, as the console and the metrics print them.
#include "howdah/route/classes.h"

namespace howdah::route {

std::string_view to_string(Class cls) {
  switch (cls) {
    case Class::Read:
      return "read";
    case Class::Local:
      return "local";
    case Class::Write:
      return "write";
  }
  return "write";
}

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::Empty:
      return "empty";
    case Kind::Read:
      return "read";
    case Kind::Write:
      return "write";
    case Kind::Local:
      return "local";
    case Kind::Session:
      return "session";
    case Kind::Begin:
      return "begin";
    case Kind::End:
      return "end";
    case Kind::Execute:
      return "execute";
    case Kind::SetRoute:
      return "set_route";
  }
  return "write";
}

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::Read:
      return "read";
    case Reason::Empty:
      return "empty";
    case Reason::Begin:
      return "begin";
    case Reason::BeginReadOnly:
      return "begin_read_only";
    case Reason::Serializable:
      return "serializable";
    case Reason::End:
      return "end";
    case Reason::Execute:
      return "execute";
    case Reason::Setting:
      return "setting";
    case Reason::Show:
      return "show";
    case Reason::LocalFunction:
      return "local_function";
    case Reason::LocalRelation:
      return "local_relation";
    case Reason::TooLong:
      return "too_long";
    case Reason::TooDeep:
      return "too_deep";
    case Reason::NotUnderstood:
      return "not_understood";
    case Reason::NameNotAscii:
      return "name_not_ascii";
    case Reason::Modifies:
      return "modifies";
    case Reason::Definition:
      return "definition";
    case Reason::Utility:
      return "utility";
    case Reason::Locks:
      return "locks";
    case Reason::Cursor:
      return "cursor";
    case Reason::CopyFrom:
      return "copy_from";
    case Reason::Function:
      return "function";
    case Reason::Operator:
      return "operator";
    case Reason::Cast:
      return "cast";
    case Reason::Relation:
      return "relation";
    case Reason::Missing:
      return "missing";
    case Reason::Unknown:
      return "unknown";
    case Reason::TooMany:
      return "too_many";
    case Reason::Rescued:
      return "rescued";
    case Reason::WishedPrimary:
      return "wished_primary";
    case Reason::WishedReplica:
      return "wished_replica";
    case Reason::InTransaction:
      return "in_transaction";
    case Reason::Batch:
      return "batch";
    case Reason::OwnWrite:
      return "own_write";
    case Reason::Monotonic:
      return "monotonic";
    case Reason::NoReplica:
      return "no_replica";
    case Reason::Unreadable:
      return "unreadable";
    case Reason::RoutingOff:
      return "routing_off";
  }
  return "not_understood";
}

}  // namespace howdah::route
