"""The one exception type for mistakes that a user can mend."""


class UserError(Exception):
    """Input that can't be used as given.

    The message is one line: what is wrong, where (file, image, field), what was expected and what to try. The command
    line prints it and exits with code 2; programmer mistakes keep their own types and their traceback. What a file or a
    file's name puts into it can neither break the line nor move a terminal's cursor.
    """

    def __init__(self, message):
        super().__init__(message if message.isprintable() else _one_line(message))


def _one_line(text):
    """Line ends become spaces, other letters that can't be printed their escapes."""
    text = " ".join(text.split("\n"))
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
