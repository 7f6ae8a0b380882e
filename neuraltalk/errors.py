"""The one exception type for mistakes that a user can mend."""


class UserError(Exception):
    """Input that can't be used as given.

    The message is one line: what is wrong, where (file, image, field), what was expected and what to try. The command
    line prints it and exits with code 2; programmer mistakes keep their own types and their traceback.
    """
