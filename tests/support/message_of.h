#pragma once

#include <string>

#include <gtest/gtest.h>

namespace rcnn {

/// What the error says that `action` throws; a failure when it throws none of this type.
template <class Error, class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

}  // namespace rcnn
