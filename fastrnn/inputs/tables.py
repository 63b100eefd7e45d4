"""A small data frame, of numpy alone: named columns of numbers, times or text.

It is what the command line reads files into. `fastrnn.inputs.frames` knows it as a data frame,
since it answers to the same calls as those of polars; `fastrnn.inputs.long_frames` as one in long
form.
"""

import numpy as np


class Column:
    """One column of a table.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Numbers or times; or strings, of dtype object.
    """

    def __init__(self, values):
        self.values = values

    @property
    def dtype(self):
        """The kind of its values: that of numpy, or "str"."""
        return "str" if self.values.dtype == object else self.values.dtype

    def to_list(self):
        """Return the values as Python objects."""
        return self.values.tolist()

    def to_numpy(self):
        """Return the values as an array."""
        return self.values


class Table:
    """Columns of equal length, each with a name.

    Parameters
    ----------
    columns : dict of str to ndarray of shape (n_rows,)
        The columns, as `Column` takes them.
    """

    def __init__(self, columns):
        self._columns = columns

    @property
    def columns(self):
        """The names of the columns."""
        return list(self._columns)

    @property
    def dtypes(self):
        """The kind of each column."""
        return [Column(values).dtype for values in self._columns.values()]

    @property
    def shape(self):
        """The numbers of rows and columns."""
        return len(self), len(self._columns)

    def __len__(self):
        return len(next(iter(self._columns.values()), ()))

    def __getitem__(self, place):
        """Return the table of some rows and columns, both given by number or as slices."""
        rows, which = place
        names = np.array(self.columns, dtype=object)[which]
        return Table({name: self._columns[name][rows] for name in names})

    def __array__(self, dtype=None, copy=None):
        if not self._columns:
            return np.empty(self.shape, dtype)
        array = np.stack(list(self._columns.values()), axis=1)
        return array if dtype is None else array.astype(dtype, copy=False)

    def to_series(self, j):
        """Return a column by its number.

        Parameters
        ----------
        j : int
            The number.

        Returns
        -------
        Column
        """
        return self.get_column(self.columns[j])

    def get_column(self, name):
        """Return a column by its name.

        Parameters
        ----------
        name : str
            The name.

        Returns
        -------
        Column
        """
        return Column(self._columns[name])

    def select(self, name):
        """Return the table of one column.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        Table
        """
        return Table({name: self._columns[name]})

    def to_native(self):
        """Return the table itself, which has nothing behind it, unlike frames of narwhals."""
        return self
