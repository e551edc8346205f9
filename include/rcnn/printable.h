#pragma once

#include <string>
#include <string_view>

#include <rcnn/export.h>

namespace rcnn {

/// Text that others have written (the names of files, classes and tensors, metadata), fit for a line on a
/// terminal, where control characters would move the cursor, change colours or begin another line. They
/// become escapes as Python writes them: a newline "\n", an escape "\x1b"; so do the marks that change the
/// direction of what follows ("\u202e"), and bytes that are not UTF-8 ("\xff"). All other text stays as it
/// is.
RCNN_EXPORT std::string printable(std::string_view text);

/// The same for text of several lines: newlines stay.
RCNN_EXPORT std::string printable_lines(std::string_view text);

}  // namespace rcnn
